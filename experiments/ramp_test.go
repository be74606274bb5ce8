package experiments

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

// rising is a trial with a ramp of three steps, of which none needs a write.
func rising(t *testing.T, duration time.Duration) *trial {
	t.Helper()
	trial := meshTrial(t, newFakeAPI(t))
	f := callerFault
	f.Ramp = []float64{10, 20}
	trial.experiment = Experiment{Duration: duration, Faults: []injector.Fault{f, upstreamFault}}
	return trial
}

// A ramp that did not come to its end was not tried.
func TestAPhaseThatIsOverBeforeTheRamp(t *testing.T) {
	trial := rising(t, time.Hour)
	err := trial.climbing(t.Context(), func(context.Context) error { return nil })
	const want = "ramp: the fault phase was over before step 2 of 3 was in force; make it longer"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if len(trial.report.Ramp) != 1 || len(trial.report.Ramp[0].Faults) != 1 {
		t.Errorf("steps %+v, want the first, of the one fault that rises", trial.report.Ramp)
	}

	trial = rising(t, time.Hour)
	trial.halted = "enough"
	if err := trial.climbing(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("after a halt: %v", err)
	}
}

func TestAPhaseEndsAsItsBodyDoes(t *testing.T) {
	trial, failed := rising(t, time.Hour), errors.New("no load")
	if err := trial.climbing(t.Context(), func(context.Context) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	trial = rising(t, time.Hour)
	trial.experiment.Faults = trial.experiment.Faults[1:]
	if err := trial.climbing(t.Context(), func(context.Context) error { return nil }); err != nil || trial.steps != nil {
		t.Errorf("without a ramp: %v, %v", err, trial.steps)
	}
}

// All steps are taken, each at its time, and seen.
func TestClimbing(t *testing.T) {
	trial := rising(t, 30*time.Millisecond)
	done := make(chan struct{})
	trial.progress = func(e Event) {
		if strings.HasPrefix(e.Text, "ramp: step 3: "+callerFault.String()+": ") {
			close(done)
		}
	}
	err := trial.climbing(t.Context(), func(context.Context) error { <-done; return nil })
	if err != nil || len(trial.steps) != 3 || len(trial.report.Ramp) != 3 {
		t.Errorf("%v, %d steps", err, len(trial.steps))
	}
	for n, step := range trial.report.Ramp[1:] {
		if len(step.Convergence.Late) == 0 { // no proxy knows the service
			t.Errorf("step %d was seen by nobody, and is not late: %+v", n+2, step)
		}
	}
}

// The ramp is over before whoever comes after a panic reverts.
func TestAPanicEndsTheRamp(t *testing.T) {
	trial := rising(t, time.Hour)
	defer func() {
		if recover() == nil {
			t.Error("the panic was swallowed")
		}
		if len(trial.steps) != 1 {
			t.Errorf("%d steps", len(trial.steps))
		}
	}()
	_ = trial.climbing(t.Context(), func(context.Context) error { panic("a matcher") })
}
