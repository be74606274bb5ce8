package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
)

// A split that is clearly right, or clearly wrong, is decided long before a minute
// is over. Both are counted in the proxies while the load runs.
func TestASplitIsDecidedEarly(t *testing.T) {
	for share, want := range map[float64]experiments.Verdict{0.1: experiments.Held, 0.5: experiments.Deviated} {
		e := on(time.Minute, 300)
		e.SteadyState = []experiments.Matcher{assertions.HaveSuccessRate(assertions.AtLeast(0.9))}
		e.During = []experiments.Matcher{assertions.HaveSplit("recommendations", "v2", share)}
		e.StopEarly = true
		report, err := newRunner(t).Run(t.Context(), e)
		if err != nil || report.Verdict != want {
			t.Errorf("share %v: %v, want %s\n%s", share, err, want, report)
			continue
		}
		if took := report.During.To.Sub(report.During.From); took > 30*time.Second || !strings.HasPrefix(report.During.Stopped, "stopped at request ") {
			t.Errorf("share %v: the phase took %s\n%s", share, took, report)
		}
		t.Logf("share %v: %s", share, report.During.Stopped)
	}
}
