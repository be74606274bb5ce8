package assertions_test

import (
	"testing"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

func TestHaveSuccessRate(t *testing.T) {
	half := slow()
	run(t, []check{
		{name: "holds", actual: half, matcher: HaveSuccessRate(AtLeast(0.5))},
		{name: "holds of a phase", actual: &phase{load: half}, matcher: HaveSuccessRate(AtMost(0.5))},
		{name: "holds of all", actual: load(10, 200, 204, 301), matcher: HaveSuccessRate(AtLeast(1))},
		{name: "does not, and should not", not: true, actual: half, matcher: HaveSuccessRate(AtLeast(0.51))},
		{
			name: "fails", actual: half, matcher: HaveSuccessRate(AtLeast(0.99)),
			want: "Expected success rate to be at least 99%, but it was 50%\n" +
				"    1000 requests, 50.0% ok (200 ×500, 503 ×500), p50 499ms, p99 989ms",
		},
		{
			name: "fails of no answers", actual: load(2, 0), matcher: HaveSuccessRate(AtLeast(0.5)),
			want: "Expected success rate to be at least 50%, but it was 0%\n" +
				"    2 requests, 0.0% ok (no answer ×2), p50 1ms, p99 2ms",
		},
		{
			name: "too few, though all", open: true, actual: load(99, 200), matcher: HaveSuccessRate(AtLeast(0.99)),
			want: `HaveSuccessRate has too few samples: 99 requests, of which "success rate at least 99%" needs 100`,
		},
		{name: "just enough", actual: load(100, 200), matcher: HaveSuccessRate(AtLeast(0.99))},
		{
			name: "too few to fail", open: true, actual: load(2, 200, 503), matcher: HaveSuccessRate(AtLeast(0.99)),
			want: `HaveSuccessRate has too few samples: 2 requests, of which "success rate at least 99%" needs 100`,
		},
		{
			// 0.01⁴ is less than one in a million
			name: "few, but they contradict it", actual: load(4, 503), matcher: HaveSuccessRate(AtLeast(0.99)),
			want: "Expected success rate to be at least 99%, but it was 0%\n    4 requests, 0.0% ok (503 ×4), p50 2ms, p99 4ms",
		},
		{
			name: "few, but they contradict the upper bound", actual: load(4, 200), matcher: HaveSuccessRate(AtMost(0.01)),
			want: "Expected success rate to be at most 1%, but it was 100%\n    4 requests, 100.0% ok (200 ×4), p50 2ms, p99 4ms",
		},
		{
			// 0.01³ is not
			name: "too few to contradict", open: true, actual: load(2, 503), matcher: HaveSuccessRate(AtLeast(0.99)),
			want: `HaveSuccessRate has too few samples: 2 requests, of which "success rate at least 99%" needs 100`,
		},
		{
			name: "fewer contradict it where errors may be more frequent", actual: judged{&phase{load: load(2, 503)}, 0.001},
			matcher: HaveSuccessRate(AtLeast(0.99)),
			want:    "Expected success rate to be at least 99%, but it was 0%\n    2 requests, 0.0% ok (503 ×2), p50 1ms, p99 2ms",
		},
		{
			name: "holds and should not", not: true, actual: half, matcher: HaveSuccessRate(AtMost(0.5)),
			want: "Expected success rate not to be at most 50%, but it was 50%\n" +
				"    1000 requests, 50.0% ok (200 ×500, 503 ×500), p50 499ms, p99 989ms",
		},
		{
			name: "misuse", actual: 42, matcher: HaveSuccessRate(AtLeast(0.99)),
			want: "HaveSuccessRate needs a value with LoadResult(), as a loadgen.Result, not int",
		},
		{
			name: "misuse of another kind", actual: observe.Change{}, matcher: HaveSuccessRate(AtLeast(0.99)),
			want: "HaveSuccessRate needs a value with LoadResult(), as a loadgen.Result, not observe.Change",
		},
		{
			name: "nil", actual: nil, matcher: HaveSuccessRate(AtLeast(0.99)), not: true,
			want: "HaveSuccessRate needs a value with LoadResult(), as a loadgen.Result, not nil",
		},
		{
			name: "nil phase", actual: (*phase)(nil), matcher: HaveSuccessRate(AtLeast(0.99)),
			want: "HaveSuccessRate needs a value with LoadResult(), as a loadgen.Result, not a nil *assertions_test.phase",
		},
		{
			name: "no samples", open: true, actual: loadgen.Result{}, matcher: HaveSuccessRate(AtLeast(0)),
			want: "HaveSuccessRate has no samples: no requests were sent, or none ended",
		},
		{
			name: "no samples, negated", open: true, not: true, actual: loadgen.Result{}, matcher: HaveSuccessRate(AtLeast(1)),
			want: "HaveSuccessRate has no samples: no requests were sent, or none ended",
		},
	})
}
