package experiments

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

// withFaults injects the plan, calls body when every affected proxy shows it,
// and takes it out again whatever happens: an error, a panic, the end of ctx. The
// context of body also ends when somebody else takes a fault out, when the run's
// Lease is lost, and at the halt flag.
func (t *trial) withFaults(ctx context.Context, body func(context.Context) error) (err error) {
	if len(t.plan.Edits) == 0 {
		t.report.Clean = true
		return t.watched(ctx, body)
	}
	t.awaitGuard(ctx)
	t.tell("inject", "injecting "+t.faultList())
	for _, edit := range t.plan.Edits {
		t.report.Objects = append(t.report.Objects, edit.Ref.String())
	}
	t.log.Info("inject", "run", t.report.Run, "objects", t.report.Objects)
	injected := t.watch.start("inject")
	injection, err := t.injector.Inject(ctx, t.plan) // usable even with err
	injected()
	t.injection = injection
	if edits := injection.Edits(); len(edits) > 0 {
		t.plan.Edits = edits // as they were written, which may be on objects that had changed
	}
	defer func() {
		if t.report.Halt != nil {
			t.report.Halt.After = time.Since(t.report.Halt.At)
		}
		t.tell("revert", "taking every fault out")
		// Revert outlives ctx: a cancelled experiment must still clean up.
		after, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), t.revert,
			fmt.Errorf("revert: gave up after %s", t.revert))
		defer cancel()
		taken := t.watch.start("revert")
		reverted := injection.Revert(after)
		taken()
		t.report.Clean = reverted == nil
		if reverted == nil {
			t.report.Reverted = t.await(after, false)
			err = errors.Join(err, t.flush(ctx))
		}
		t.log.Info("revert", "run", t.report.Run, "clean", t.report.Clean)
		err = errors.Join(err, reverted)
	}()
	if err != nil {
		return t.orHalted(ctx, fmt.Errorf("inject: %w", err))
	}
	inForce, stop := injection.Context(ctx)
	defer stop()
	return t.orHalted(ctx, t.watched(inForce, func(ctx context.Context) error { return t.proven(ctx, body) }))
}

// proven calls body when every affected proxy shows the fault. With one that does
// not in time, judge says Inconclusive.
func (t *trial) proven(ctx context.Context, body func(context.Context) error) error {
	waiting, stop := context.WithTimeout(ctx, t.barrier)
	defer stop()
	t.report.Injected = t.await(waiting, true)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(t.report.Injected.Late) > 0 {
		return nil
	}
	if err := t.flush(ctx); err != nil {
		return err
	}
	return body(ctx)
}

// orHalted notes that a halt flag is what ended the fault phase. Whoever halts
// also reverts, and that may be what is noticed first.
func (t *trial) orHalted(ctx context.Context, err error) error {
	halted, ok := errors.AsType[*injector.HaltedError](err)
	_, evicted := errors.AsType[*injector.EvictedError](err)
	_, lost := errors.AsType[*injector.LeaseLostError](err)
	if evicted || lost {
		asking, stop := context.WithTimeout(context.WithoutCancel(ctx), haltBudget)
		defer stop()
		for _, namespace := range t.written() {
			if flag, failed := t.injector.Halted(asking, namespace); failed == nil && flag != nil {
				halted, ok = flag, true
			}
		}
	}
	if ok {
		t.halted = halted.Error()
	}
	return err
}

// fault is the fault phase, up to its end or a halt.
func (t *trial) fault(ctx context.Context) error {
	t.vain = t.newVain(ctx)
	defer t.vain.end()
	err := t.climbing(ctx, func(ctx context.Context) error {
		return t.metering(ctx, func() error { return t.observe(ctx, t.experiment.Duration, &t.report.During, t.asks) })
	})
	if err != nil {
		return err
	}
	if t.halted == "" && len(t.plan.Edits) > 0 {
		looking, stop := context.WithTimeout(ctx, keptBudget)
		defer stop()
		t.report.Kept = t.await(looking, true)
		t.report.Vanished = t.vanished(looking)
	}
	return nil
}

func (t *trial) faultList() string {
	var names []string
	for _, f := range t.experiment.Faults {
		names = append(names, f.String())
	}
	return strings.Join(names, ", ")
}
