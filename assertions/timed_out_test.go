package assertions_test

import (
	"testing"
	"time"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/loadgen"
)

func TestHaveTimedOut(t *testing.T) {
	const ms = time.Millisecond
	r := load(1000, 200, 504) // the slowest 504 after 1s
	const evidence = "\n    1000 requests, 50.0% ok (200 ×500, 504 ×500), p50 500ms, p99 990ms"
	late := load(4, 504)
	for i := range late.Samples { // sent late, and then cut off in time
		late.Samples[i].Lag = time.Second
		late.Samples[i].Latency += time.Second
	}
	hair := load(1, 504)
	hair.Samples[0].Latency = 500*ms + 300*time.Microsecond
	run(t, []check{
		{name: "holds", actual: r, matcher: HaveTimedOut(time.Second)},
		{name: "holds though other answers took longer", actual: load(3, 504, 504, 200), matcher: HaveTimedOut(2 * ms)},
		{name: "counts from the real send", actual: late, matcher: HaveTimedOut(4 * ms)},
		{name: "does not, and should not", not: true, actual: load(3, 503), matcher: HaveTimedOut(time.Second)},
		{
			name: "fails, no 504", actual: load(3, 200), matcher: HaveTimedOut(800 * ms),
			want: "Expected requests to time out within 800ms, but none was answered with 504\n" +
				"    3 requests, 100.0% ok (200 ×3), p50 2ms, p99 3ms",
		},
		{
			name: "fails, too late", actual: &phase{load: r}, matcher: HaveTimedOut(800 * ms),
			want: "Expected requests to time out within 800ms, but 100 of 500 answers with 504 took longer, the slowest 1s" + evidence,
		},
		{
			name: "fails by a hair", actual: hair, matcher: HaveTimedOut(500 * ms),
			want: "Expected requests to time out within 500ms, but 1 of 1 answers with 504 took longer, the slowest 500.3ms\n" +
				"    1 request, 0.0% ok (504 ×1), p50 500ms, p99 500ms",
		},
		{
			name: "holds and should not", not: true, actual: r, matcher: HaveTimedOut(2 * time.Second),
			want: "Expected requests not to time out within 2s, but 500 answers with 504 came, the slowest after 1s" + evidence,
		},
		{
			name: "misuse", actual: "504", matcher: HaveTimedOut(time.Second),
			want: "HaveTimedOut needs a value with LoadResult(), as a loadgen.Result, not string",
		},
		{
			name: "no time", actual: r, matcher: HaveTimedOut(0),
			want: "HaveTimedOut takes a positive time.Duration, not 0s",
		},
		{
			name: "no samples", open: true, actual: loadgen.Result{}, matcher: HaveTimedOut(time.Second),
			want: "HaveTimedOut has no samples: no requests were sent, or none ended",
		},
	})
}
