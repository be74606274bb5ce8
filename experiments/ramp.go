package experiments

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

// step is what a step of the ramps wrote, and when.
type step struct {
	edits   []injector.Edit
	began   time.Time // when it began to be written
	inForce time.Time // when every proxy showed it
}

// rampSteps is how many steps come after the first; 0 when no fault has a ramp.
func (e Experiment) rampSteps() int {
	steps := 0
	for _, f := range e.Faults {
		steps = max(steps, len(f.Ramp))
	}
	return steps
}

// climbing runs body, which is the fault phase, while the ramps go up: each step
// has an equal part of the phase. A step that cannot be written ends the phase;
// when the phase ends, however it does, no further step is written.
func (t *trial) climbing(ctx context.Context, body func(context.Context) error) error {
	steps := t.experiment.rampSteps()
	if steps == 0 {
		return body(ctx)
	}
	began := time.Now()
	t.took(0, step{edits: t.plan.Edits, began: began, inForce: began}, t.report.Injected)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	climbing, stop := context.WithCancel(ctx)
	climbed := make(chan struct{})
	go func() {
		defer close(climbed)
		if err := t.climb(climbing, began, steps); err != nil {
			end(fmt.Errorf("ramp: %w", err))
		}
	}()
	down := func() { stop(); <-climbed }
	defer down() // a matcher may panic
	err := body(ctx)
	down()
	if err == nil && t.halted == "" && len(t.steps) <= steps {
		err = errors.Join(context.Cause(ctx), fmt.Errorf("ramp: the fault phase was over before step %d of %d was in force; make it longer",
			len(t.steps)+1, steps+1))
	}
	return err
}

// climb writes the steps at their times, and sees each of them in force.
func (t *trial) climb(ctx context.Context, began time.Time, steps int) error {
	for n := 1; n <= steps; n++ {
		at := began.Add(t.experiment.Duration / time.Duration(steps+1) * time.Duration(n))
		if pause(ctx, time.Until(at)) != nil {
			return nil // the phase is over
		}
		s := step{began: time.Now()}
		if err := t.injection.Step(ctx, n); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		t.plan.Edits = t.injection.Edits()
		waiting, stop := context.WithTimeout(ctx, t.barrier)
		shown := t.await(waiting, true)
		stop()
		s.edits, s.inForce = t.plan.Edits, time.Now()
		t.took(n, s, shown)
	}
	return nil
}

// took notes a step and how it reached the proxies.
func (t *trial) took(n int, s step, shown Convergence) {
	told := RampStep{At: s.began, Convergence: shown}
	for _, f := range t.experiment.Faults {
		if len(f.Ramp) > 0 {
			told.Faults = append(told.Faults, f.Step(n).String())
		}
	}
	t.steps, t.report.Ramp = append(t.steps, s), append(t.report.Ramp, told)
	t.log.Info("ramp", "run", t.report.Run, "step", n+1, "faults", told.Faults)
	t.tell(DuringPhase, fmt.Sprintf("ramp: step %d: %s", n+1, told))
}
