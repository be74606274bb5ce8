package assertions_test

import (
	"testing"
	"time"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/loadgen"
)

func TestHaveDelayed(t *testing.T) {
	const ms = time.Millisecond
	r := load(1000, 200) // after 1ms, 2ms … 1s
	const evidence = "\n    101 of 1000, so the share is from 6.05% to 15.5% (error 1 in a million);" +
		" 1000 requests, 100.0% ok (200 ×1000), p50 500ms, p99 990ms"
	late := load(200, 200) // sent a second late each: that is not the mesh's doing
	for i := range late.Samples {
		late.Samples[i].Lag = time.Second
		late.Samples[i].Latency += time.Second
	}
	run(t, []check{
		{name: "holds", actual: r, matcher: HaveDelayed(900*ms, 0.1)},
		{name: "holds of what chance may do", actual: &phase{load: r}, matcher: HaveDelayed(880*ms, 0.1)},
		{name: "all", actual: r, matcher: HaveDelayed(ms, 1)},
		{name: "none", actual: r, matcher: HaveDelayed(2*time.Second, 0)},
		{name: "counts from the real send", actual: late, matcher: HaveDelayed(time.Second, 0)},
		{name: "does not, and should not", not: true, actual: r, matcher: HaveDelayed(500*ms, 0.1)},
		{
			name: "fails", actual: r, matcher: HaveDelayed(900*ms, 0.2),
			want: "Expected share of requests delayed by 900ms to be 20%, but it was 10.1%" + evidence,
		},
		{
			name: "holds and should not", not: true, actual: r, matcher: HaveDelayed(900*ms, 0.1),
			want: "Expected share of requests delayed by 900ms not to be 10%, but it was 10.1%" + evidence,
		},
		{
			name: "all but one are not all", actual: load(2, 200), matcher: HaveDelayed(2*ms, 1),
			want: "Expected share of requests delayed by 2ms to be 100%, but it was 50%\n" +
				"    1 of 2, so the share is from 0.000025% to 99.99997% (error 1 in a million);" +
				" 2 requests, 100.0% ok (200 ×2), p50 1ms, p99 2ms",
		},
		{
			name: "too few", open: true, actual: load(137, 200), matcher: HaveDelayed(900*ms, 0.1),
			want: "HaveDelayed has too few samples: 137 requests, of which a share of 10% can be judged from 138 on",
		},
		{
			name: "misuse", actual: 5, matcher: HaveDelayed(ms, 0.1),
			want: "HaveDelayed needs a value with LoadResult(), as a loadgen.Result, not int",
		},
		{
			name: "no time", actual: r, matcher: HaveDelayed(0, 0.1),
			want: "HaveDelayed takes a positive time.Duration, not 0s",
		},
		{
			name: "percent for a share", actual: r, matcher: HaveDelayed(ms, 10),
			want: "HaveDelayed takes a share from 0 to 1, as 0.1 for 10%, not 10",
		},
		{
			name: "no samples", open: true, actual: loadgen.Result{}, matcher: HaveDelayed(ms, 0.1),
			want: "HaveDelayed has no samples: no requests were sent, or none ended",
		},
	})
}
