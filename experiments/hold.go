package experiments

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

// Hold makes the faults of e and holds them until length is over or ctx ends,
// without load and without judging anything else of e: for exploring by hand.
// The verdict is [Held] when they were in force on every affected proxy from then
// to the end, [Halted] by the halt flag, and [Inconclusive] when they did not get
// in force, or somebody took them out. Errors and the revert are as in
// [Runner.Run].
func (r *Runner) Hold(ctx context.Context, e Experiment, length time.Duration) (report *Report, err error) {
	e = e.withDefaults()
	if err := e.Validate(); err != nil {
		return nil, &InputError{fmt.Errorf("experiment %q: %w", e.Title, err)}
	}
	switch {
	case len(e.Faults) == 0:
		return nil, &InputError{fmt.Errorf("experiment %q: faults: there is none to hold", e.Title)}
	case length <= 0:
		return nil, &InputError{fmt.Errorf("hold for %s: want a time above 0", length)}
	}
	t := r.newTrial(e)
	t.unloaded = true
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.begin(ctx, r.barrier+length+r.revert+time.Minute); err != nil {
		return t.haltedBefore(err)
	}
	t.startGuard()
	held := time.Duration(-1) // not at all
	err = t.withFaults(ctx, func(inForce context.Context) error {
		since := time.Now()
		defer func() { held = time.Since(since) }()
		return t.hold(inForce, since.Add(length))
	})
	interrupted, notReverted := separate(err)
	if ctx.Err() != nil && errors.Is(interrupted, context.Cause(ctx)) && held >= 0 {
		interrupted = nil // that is how it was meant to end
	}
	t.report.Verdict, t.report.Reason = judgeHold(t.outcome(interrupted), held)
	t.tell("verdict", fmt.Sprintf("%s: %s", t.report.Verdict, t.report.Reason))
	return t.report, notReverted
}

// hold waits, and tells how long it will.
func (t *trial) hold(ctx context.Context, until time.Time) error {
	event := Event{
		Run: t.report.Run, Step: "hold", Left: time.Until(until),
		Text: fmt.Sprintf("in force since %s on %s, for %s", time.Now().Format(time.TimeOnly), t.report.Injected.reach(), t.whom()),
	}
	end := time.NewTimer(event.Left)
	defer end.Stop()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		t.progress(event)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-end.C:
			return nil
		case <-tick.C:
			event.Again, event.Left = true, max(0, time.Until(until))
		}
	}
}

// whom says which requests meet the faults.
func (t *trial) whom() string {
	for _, f := range t.experiment.Faults {
		if f.AllTraffic {
			return "all traffic"
		}
	}
	return fmt.Sprintf("requests with the header %s: %s", injector.HeaderRun, t.report.Run)
}

// judgeHold is judge for faults that were only held.
func judgeHold(o outcome, held time.Duration) (Verdict, string) {
	if first, reason := firstRow(o, ended, force); reason != "" {
		return first.verdict, reason
	}
	return Held, fmt.Sprintf("in force on %s, for %s", o.Injected.reach(), held.Round(100*time.Millisecond))
}
