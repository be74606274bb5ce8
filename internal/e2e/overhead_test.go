package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// BenchmarkOverhead is the time that a run on the shop takes beyond its phases,
// and of which the steps take.
func BenchmarkOverhead(b *testing.B) {
	for name, site := range map[string]injector.Site{"caller": injector.Caller, "upstream": injector.Upstream} {
		b.Run(name, func(b *testing.B) {
			var total []time.Duration
			steps := map[string]time.Duration{}
			e := inventoryDown(time.Second)
			e.Faults[0].Site = site
			e.Settle, e.Recovery = time.Second, time.Second
			for b.Loop() {
				report, err := newRunner(b).Run(b.Context(), e)
				if err != nil || report.Verdict != experiments.Held {
					b.Fatalf("%v\n%s", err, report)
				}
				total = append(total, report.Overhead.Total)
				for _, s := range report.Overhead.Steps {
					steps[s.Step] += s.Took
				}
				b.Log(report.Overhead)
			}
			slices.Sort(total)
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			b.ReportMetric(ms(total[len(total)/2]), "p50-ms")
			b.ReportMetric(ms(total[len(total)-1]), "max-ms")
		})
	}
	noLeftovers(b)
}
