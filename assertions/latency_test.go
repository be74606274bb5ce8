package assertions_test

import (
	"math"
	"testing"
	"time"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/loadgen"
)

func TestHaveLatency(t *testing.T) {
	const ms = time.Millisecond
	r := slow()
	const evidence = "\n    1000 requests, 50.0% ok (200 ×500, 503 ×500), p50 499ms, p99 989ms"
	run(t, []check{
		{name: "holds", actual: r, matcher: HaveLatency(P99, AtMost(989*ms))},
		{name: "p50", actual: r, matcher: HaveLatency(P50, AtMost(499*ms))},
		{name: "p90", actual: r, matcher: HaveLatency(P90, AtMost(899*ms))},
		{name: "p95", actual: r, matcher: HaveLatency(P95, AtMost(949*ms))},
		{name: "max", actual: r, matcher: HaveLatency(Max, AtLeast(999*ms))},
		{name: "does not, and should not", not: true, actual: r, matcher: HaveLatency(P90, AtMost(898*ms))},
		{
			name: "fails", actual: r, matcher: HaveLatency(P99, AtMost(800*ms)),
			want: "Expected p99 latency to be at most 800ms, but it was 989ms" + evidence,
		},
		{
			name: "max fails", actual: &phase{load: r}, matcher: HaveLatency(Max, AtMost(998*ms)),
			want: "Expected max latency to be at most 998ms, but it was 999ms" + evidence,
		},
		{
			name: "another quantile fails", actual: r, matcher: HaveLatency(0.999, AtLeast(2*time.Second)),
			want: "Expected p99.9 latency to be at least 2s, but it was 998ms" + evidence,
		},
		{
			name: "holds and should not", not: true, actual: r, matcher: HaveLatency(P50, AtMost(800*ms)),
			want: "Expected p50 latency not to be at most 800ms, but it was 499ms" + evidence,
		},
		{
			name: "too few", open: true, actual: load(99, 200), matcher: HaveLatency(P99, AtMost(time.Second)),
			want: `HaveLatency has too few samples: 99 requests, of which "p99 latency at most 1s" needs 100`,
		},
		{name: "just enough", actual: load(100, 200), matcher: HaveLatency(P99, AtMost(time.Second))},
		{
			name: "few, but they contradict it", actual: load(4, 200), matcher: HaveLatency(P99, AtMost(0*ms)),
			want: "Expected p99 latency to be at most 0s, but it was 4ms\n    4 requests, 100.0% ok (200 ×4), p50 2ms, p99 4ms",
		},
		{
			name: "too few to contradict", open: true, actual: load(4, 200), matcher: HaveLatency(P99, AtMost(1*ms)),
			want: `HaveLatency has too few samples: 4 requests, of which "p99 latency at most 1ms" needs 100`,
		},
		{
			name: "few, but they contradict a lower bound", actual: load(4, 200), matcher: HaveLatency(0.01, AtLeast(time.Second)),
			want: "Expected p1 latency to be at least 1s, but it was 1ms\n    4 requests, 100.0% ok (200 ×4), p50 2ms, p99 4ms",
		},
		{
			name: "too few to contradict a lower bound", open: true, actual: load(4, 200), matcher: HaveLatency(P99, AtLeast(time.Second)),
			want: `HaveLatency has too few samples: 4 requests, of which "p99 latency at least 1s" needs 100`,
		},
		{
			name: "no answers", open: true, actual: load(200, 200, 200, 200, 0), matcher: HaveLatency(P99, AtMost(time.Second)),
			want: "HaveLatency has too few samples: 50 of 200 requests got no answer, so nobody knows how long p99 of them takes; " +
				"make load.timeout longer than the bound, or find out why there are none (200 requests, 75.0% ok (200 ×150, no answer ×50), p50 100ms, p99 198ms)",
		},
		{name: "no answers, but few enough", actual: load(200, 200, 200, 200, 0), matcher: HaveLatency(P50, AtMost(time.Second))},
		{
			name: "no answers, and too late all the same", actual: load(200, 200, 200, 200, 0), matcher: HaveLatency(P99, AtMost(time.Millisecond)),
			want: "Expected p99 latency to be at most 1ms, but it was 198ms\n    200 requests, 75.0% ok (200 ×150, no answer ×50), p50 100ms, p99 198ms",
		},
		{
			name: "misuse", actual: 800 * ms, matcher: HaveLatency(P99, AtMost(800*ms)),
			want: "HaveLatency needs a value with LoadResult(), as a loadgen.Result, not time.Duration",
		},
		{
			name: "percent for a quantile", actual: r, matcher: HaveLatency(99, AtMost(800*ms)),
			want: "HaveLatency takes a quantile from 0 to 1, as P99, not 99",
		},
		{
			name: "NaN for a quantile", actual: r, matcher: HaveLatency(Quantile(math.NaN()), AtMost(800*ms)),
			want: "HaveLatency takes a quantile from 0 to 1, as P99, not NaN",
		},
		{
			name: "no samples", open: true, actual: loadgen.Result{}, matcher: HaveLatency(P99, AtMost(800*ms)),
			want: "HaveLatency has no samples: no requests were sent, or none ended",
		},
	})
}

func TestQuantileString(t *testing.T) {
	for q, want := range map[Quantile]string{
		P50: "p50", P90: "p90", P95: "p95", P99: "p99", Max: "max", 0.999: "p99.9", 0.07: "p7", 0: "p0",
	} {
		if got := q.String(); got != want {
			t.Errorf("Quantile(%v) is %q, want %q", float64(q), got, want)
		}
	}
}
