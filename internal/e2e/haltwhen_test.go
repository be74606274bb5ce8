package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
)

// halted runs an experiment that must be halted, and the revert of which must
// begin within a second.
func halted(t *testing.T, e experiments.Experiment) *experiments.Report {
	t.Helper()
	report, err := newRunner(t).Run(t.Context(), e)
	noLeftovers(t)
	if err != nil || report.Verdict != experiments.Halted || report.Halt == nil || !report.Clean {
		t.Fatalf("got %v:\n%s", err, report)
	}
	h := report.Halt
	if h.After <= 0 || h.After > time.Second || h.From.IsZero() || h.To.Before(h.From) || h.Measured == "" {
		t.Errorf("got %+v, want the revert to begin within 1s", h)
	}
	t.Logf("%s; revert began %s after that was seen", report.Reason, h.After)
	return report
}

// The live window has what proxies counted: an ejection ends the phase.
func TestAnEjectionHalts(t *testing.T) {
	report := halted(t, experiments.Experiment{
		Title: "no pod of payments is ejected",
		Faults: []injector.Fault{{
			On: injector.Service{Namespace: "shop", Name: "payments"}, Site: injector.Upstream, Pods: 1,
			Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
		}},
		Gateway:     "istio-system/istio-ingressgateway",
		Load:        loadgen.Load{URL: "http://shop.example/checkout", Rate: 100},
		SteadyState: []experiments.Matcher{assertions.HaveLatency(assertions.P50, assertions.AtMost(5*time.Second))},
		HaltWhen:    []experiments.Matcher{assertions.HaveEjected("payments", assertions.AtLeast(1))},
		BlastRadius: injector.BlastRadius{Namespaces: []string{"shop"}},
		Settle:      300 * time.Millisecond, Duration: time.Minute, Recovery: 300 * time.Millisecond,
	})
	if len(report.Ejections()) != 1 || !strings.HasPrefix(report.Reason, "halted: number of ejected hosts of payments at least 1: 1; ") {
		t.Errorf("got:\n%s", report)
	}
}

// Trouble that begins late is not diluted by what went well before: of the whole
// phase, the success rate would be above a half to the end.
func TestLateTroubleHaltsByItsWindow(t *testing.T) {
	e := inventoryDown(8 * time.Second)
	e.Faults[0].Ramp = []float64{1}
	e.HaltWhen = []experiments.Matcher{
		assertions.HaveSuccessRate(assertions.AtMost(0.3)),
		experiments.Window(2*time.Second, assertions.HaveSuccessRate(assertions.AtMost(0.2))),
	}
	report := halted(t, e)
	if took := report.Halt.To.Sub(report.Halt.From); took != 2*time.Second || !strings.HasPrefix(report.Reason, "halted: success rate at most 20%, of the last 2s: ") {
		t.Errorf("judged %s:\n%s", took, report)
	}
	if rate, _ := report.During.Load.SuccessRate(); rate < 0.4 {
		t.Errorf("the whole phase was as bad:\n%s", report)
	}
}
