package experiments

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// Envoy asks this key of its runtime before it makes a fault, whatever made the
// fault and wherever its settings are from (source/extensions/filters/http/fault/
// fault_filter.cc, faultOverflow). At 0 there is none.
const (
	killSwitch    = "fault.http.max_active_faults"
	killSwitchOff = "0"
)

// flagBudget is for setting the halt flag before reverting begins without it.
const flagBudget = 2 * time.Second

// HaltReport is what [Runner.Halt] or [Runner.Release] did.
type HaltReport struct {
	Proxies  int                 // proxies whose faults were switched off, or on again
	After    time.Duration       // how long that took, for all of them
	Unasked  []error             // proxies that could not be told, each with why
	Reverted []injector.Leftover // what was taken out
}

// Halt stops every fault in the namespaces, or with none in the mesh, in three
// ways at once:
//
//   - the faults are switched off in the proxies' runtime, which needs no istiod and
//     holds within a second. That stops what Envoy's fault filter does, delays and
//     aborts, and those that are not ours too; it does not stop Without and
//     Blackhole, and not a proxy that is born later;
//   - the halt flag is set: a run that lives ends [Halted], and none begins;
//   - everything is reverted. What could not be is an [injector.NotRevertedError]
//     among the joined errors: with the faults switched off, there is time to do it
//     later.
//
// With namespaces, the proxies elsewhere are not told, and a caller there goes on
// to meet a fault until it is reverted. [Runner.Release] ends the halt. The report
// is never nil.
func (r *Runner) Halt(ctx context.Context, namespaces ...string) (*HaltReport, error) {
	report := &HaltReport{}
	var reverted, flagged, switched error
	var group sync.WaitGroup
	group.Go(func() { switched = r.switchFaults(ctx, killSwitchOff, report, namespaces) })
	group.Go(func() {
		flagging, cancel := context.WithTimeoutCause(ctx, flagBudget, fmt.Errorf("no answer in %s", flagBudget))
		defer cancel()
		flagged = r.injector.Halt(flagging, namespaces...)
		report.Reverted, reverted = r.revertAll(ctx, namespaces)
	})
	group.Wait()
	return report, errors.Join(reverted, flagged, switched)
}

// Release ends a halt: it reverts what is left, waits until no proxy shows a fault
// any more, lets the proxies make faults again, and takes the halt flag off, in
// this order. When one of them fails, the rest is not done, and Release can be
// called again. The report is never nil.
func (r *Runner) Release(ctx context.Context, namespaces ...string) (*HaltReport, error) {
	report := &HaltReport{}
	var err error
	if report.Reverted, err = r.revertAll(ctx, namespaces); err != nil {
		return report, err
	}
	if err := r.awaitNoFault(ctx, namespaces); err != nil {
		return report, fmt.Errorf("release: faults stay switched off: %w", err)
	}
	if err := r.switchFaults(ctx, "", report, namespaces); err != nil {
		return report, fmt.Errorf("release: %w", err)
	}
	if err := errors.Join(report.Unasked...); err != nil {
		return report, fmt.Errorf("release: faults may still be switched off in %d proxies: %w", len(report.Unasked), err)
	}
	return report, r.injector.Release(ctx, namespaces...)
}

// revertAll takes out every fault, of living runs too.
func (r *Runner) revertAll(ctx context.Context, namespaces []string) ([]injector.Leftover, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.revert, fmt.Errorf("revert: gave up after %s", r.revert))
	defer cancel()
	left, err := r.injector.Leftovers(ctx, namespaces...)
	if err != nil {
		err = &injector.NotRevertedError{Cause: err}
	}
	err = errors.Join(r.injector.RevertLeftovers(ctx, left), err)
	failed := map[injector.Ref]bool{}
	for _, e := range notReverted(err) {
		for _, ref := range e.Refs {
			failed[ref] = true
		}
	}
	var done []injector.Leftover
	for _, l := range left {
		if !failed[l.Ref] {
			done = append(done, l)
		}
	}
	return done, err
}

// notReverted finds every such error among joined ones.
func notReverted(err error) []*injector.NotRevertedError {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*injector.NotRevertedError
		for _, e := range joined.Unwrap() {
			all = append(all, notReverted(e)...)
		}
		return all
	}
	if one, ok := errors.AsType[*injector.NotRevertedError](err); ok {
		return []*injector.NotRevertedError{one}
	}
	return nil
}

// switchFaults writes the kill switch in every proxy, or takes it off with an
// empty value, and reads it back. An error says that no proxy could be told.
func (r *Runner) switchFaults(ctx context.Context, value string, report *HaltReport, namespaces []string) error {
	began := time.Now()
	err := r.eachProxy(ctx, namespaces, func(mesh *observe.Mesh, p observe.Proxy) error {
		err := mesh.OverrideRuntime(ctx, p, killSwitch, value)
		if err != nil {
			return err
		}
		is, err := mesh.RuntimeOverride(ctx, p, killSwitch)
		if err == nil && is != value {
			err = fmt.Errorf("%s has %s at %q, want %q", p, killSwitch, is, value)
		}
		return err
	}, func(err error) {
		if err == nil {
			report.Proxies++
		} else {
			report.Unasked = append(report.Unasked, err)
		}
	})
	report.After = time.Since(began)
	if value != "" {
		r.progress(Event{Step: "halt", Text: fmt.Sprintf("faults are switched off in %d proxies after %s",
			report.Proxies, report.After.Round(time.Millisecond))})
	}
	return err
}

// awaitNoFault returns when no proxy shows a fault of ours.
func (r *Runner) awaitNoFault(ctx context.Context, namespaces []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.barrier, fmt.Errorf("gave up after %s", r.barrier))
	defer cancel()
	var errs []error
	err := r.eachProxy(ctx, namespaces, func(mesh *observe.Mesh, p observe.Proxy) error {
		trouble := fmt.Errorf("%s was not read", p)
		for {
			shown, err := showsAny(ctx, mesh, p)
			switch {
			case err == nil && !shown:
				return nil
			case err == nil:
				trouble = fmt.Errorf("%s still shows a fault; does istiod push?", p)
			case ctx.Err() == nil:
				trouble = err
			}
			if pause(ctx, barrierEvery) != nil {
				return fmt.Errorf("%w (%w)", trouble, context.Cause(ctx))
			}
		}
	}, func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	})
	return errors.Join(err, errors.Join(errs...))
}

// showsAny reports whether a proxy has a fault of ours in force.
func showsAny(ctx context.Context, mesh *observe.Mesh, p observe.Proxy) (bool, error) {
	for _, resource := range []string{"dynamic_route_configs", "dynamic_listeners"} { // see injector.Edit.Resource
		dump, err := mesh.ConfigDump(ctx, p, "resource="+resource)
		if err != nil {
			return false, err
		}
		shown, err := inForce(dump, injector.ShowsFault)
		if err != nil || shown {
			return shown, err
		}
	}
	return false, nil
}

// eachProxy calls do for every proxy, some at a time, and done with each answer,
// one at a time.
func (r *Runner) eachProxy(
	ctx context.Context, namespaces []string, do func(*observe.Mesh, observe.Proxy) error, done func(error),
) (err error) {
	mesh, err := observe.New(r.config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mesh.Close()) }()
	proxies, err := mesh.Proxies(ctx, namespaces...)
	if err != nil {
		return fmt.Errorf("find proxies: %w", err)
	}
	var turn sync.Mutex
	var group errgroup.Group
	group.SetLimit(barrierWidth)
	for _, p := range proxies {
		group.Go(func() error {
			err := do(mesh, p)
			turn.Lock()
			defer turn.Unlock()
			done(err)
			return nil
		})
	}
	return group.Wait()
}
