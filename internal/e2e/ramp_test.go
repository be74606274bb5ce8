package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// Each step is in force on every proxy, and hits its own share of the requests
// that came to its own routes.
func TestRampAtTheCaller(t *testing.T) {
	for _, effect := range []injector.Effect{
		injector.Abort{HTTPStatus: 503, Percent: 90},
		injector.Blackhole{Percent: 90},
	} {
		f := fault("inventory", injector.Caller, effect)
		f.Ramp = []float64{20, 50}
		report := tried(t, on(2400*time.Millisecond, 100, f), experiments.Held)
		climbed(t, report, 3)
		parts := report.Evidence[0].Parts
		if len(parts) != 3 {
			t.Fatalf("%v: parts %v", effect, parts)
		}
		for n, part := range parts {
			if n > 0 && part.Fired*parts[n-1].Of <= parts[n-1].Fired*part.Of {
				t.Errorf("%v: the share does not rise: %v", effect, parts)
			}
		}
	}
}

// climbed checks that the ramp took all its steps, each seen on every proxy.
func climbed(t *testing.T, report *experiments.Report, steps int) {
	t.Helper()
	if len(report.Ramp) != steps {
		t.Fatalf("%d steps, want %d\n%s", len(report.Ramp), steps, report)
	}
	for n, step := range report.Ramp {
		if step.Convergence.Proxies != report.Injected.Proxies || len(step.Convergence.Late) > 0 || len(step.Faults) != 1 {
			t.Errorf("step %d: %+v, want it on %d proxies", n+1, step, report.Injected.Proxies)
		}
		if n > 0 && !step.At.After(report.Ramp[n-1].At) {
			t.Errorf("step %d began at %s, not after the one before", n+1, step.At)
		}
	}
}

func TestRampAtTheUpstream(t *testing.T) {
	f := fault("inventory", injector.Upstream, injector.Abort{HTTPStatus: 503, Percent: 95})
	f.Ramp = []float64{20, 60}
	report := tried(t, on(3*time.Second, 60, f), experiments.Held)
	climbed(t, report, 3)
	if parts := report.Evidence[0].Parts; len(parts) != 3 || parts[2].Fired <= parts[0].Fired {
		t.Errorf("parts %v", parts)
	}
}

// A halt ends the ramp where it is.
func TestAHaltEndsTheRamp(t *testing.T) {
	f := fault("inventory", injector.Caller, injector.Abort{HTTPStatus: 503, Percent: 100})
	f.Ramp = []float64{60, 80}
	e := on(30*time.Second, 60, f)
	e.HaltWhen = []experiments.Matcher{assertions.HaveSuccessRate(assertions.AtMost(0.6))}
	report := tried(t, e, experiments.Halted)
	if len(report.Ramp) != 1 || report.Ramp[0].Faults[0] != "abort 503 on 60% at the caller of shop/inventory" {
		t.Errorf("the ramp went on: %+v", report.Ramp)
	}
}

// A ramp whose object is taken away in the middle ends the run; the step does not
// put it back.
func TestARampThatIsTakenOutProvesNothing(t *testing.T) {
	in, err := injector.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	f := fault("inventory", injector.Caller, injector.Abort{HTTPStatus: 503, Percent: 100})
	f.Ramp = []float64{50}
	e := on(2*time.Second, 40, f)
	takeOut := when("during", func() {
		left, err := in.Leftovers(t.Context(), "shop")
		if err == nil {
			err = in.RevertLeftovers(t.Context(), left)
		}
		if err != nil {
			t.Error(err)
		}
	})
	report, err := newRunner(t, takeOut).Run(t.Context(), e)
	if err != nil || report.Verdict != experiments.Inconclusive || !strings.Contains(report.Reason, "evicted: on VirtualService shop/inventory") {
		t.Errorf("%v\n%s", err, report)
	}
	noLeftovers(t)
}
