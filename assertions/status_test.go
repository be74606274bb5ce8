package assertions_test

import (
	"testing"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/loadgen"
)

func TestHaveStatus(t *testing.T) {
	r := load(10, 200, 200, 200, 503, 0)
	const evidence = "\n    10 requests, 60.0% ok (200 ×6, 503 ×2, no answer ×2), p50 5ms, p99 10ms"
	run(t, []check{
		{name: "holds", actual: r, matcher: HaveStatus(503, AtMost(0.2))},
		{name: "holds of no answers", actual: r, matcher: HaveStatus(0, AtLeast(0.2))},
		{name: "holds of none", actual: r, matcher: HaveStatus(504, AtMost(0))},
		{name: "does not, and should not", not: true, actual: &phase{load: r}, matcher: HaveStatus(200, AtLeast(0.7))},
		{
			name: "fails", actual: r, matcher: HaveStatus(503, AtMost(0.1)),
			want: "Expected share of status 503 to be at most 10%, but it was 20%" + evidence,
		},
		{
			name: "too few", open: true, actual: r, matcher: HaveStatus(503, AtMost(0.05)),
			want: `HaveStatus has too few samples: 10 requests, of which "share of status 503 at most 5%" needs 20`,
		},
		{
			name: "too few to pass, negated", open: true, not: true, actual: r, matcher: HaveStatus(503, AtMost(0.05)),
			want: `HaveStatus has too few samples: 10 requests, of which "share of status 503 at most 5%" needs 20`,
		},
		{
			name: "fails of no answers", actual: r, matcher: HaveStatus(0, AtMost(0)),
			want: "Expected share of requests without an answer to be at most 0%, but it was 20%" + evidence,
		},
		{
			name: "holds and should not", not: true, actual: r, matcher: HaveStatus(200, AtLeast(0.6)),
			want: "Expected share of status 200 not to be at least 60%, but it was 60%" + evidence,
		},
		{
			name: "misuse", actual: []int{503}, matcher: HaveStatus(503, AtMost(0.05)),
			want: "HaveStatus needs a value with LoadResult(), as a loadgen.Result, not []int",
		},
		{
			name: "no status", actual: r, matcher: HaveStatus(5, AtMost(0.05)),
			want: "HaveStatus takes an HTTP status, or 0 for no answer, not 5",
		},
		{
			name: "no samples", open: true, actual: loadgen.Result{}, matcher: HaveStatus(503, AtMost(0)),
			want: "HaveStatus has no samples: no requests were sent, or none ended",
		},
	})
}
