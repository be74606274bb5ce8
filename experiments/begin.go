package experiments

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

func (r *Runner) newTrial(e Experiment) *trial {
	return &trial{Runner: r, experiment: e, report: &Report{Name: e.Name, Title: e.Title, Run: injector.NewRunID()}}
}

// begin plans the run, which may last for so long.
func (t *trial) begin(ctx context.Context, longest time.Duration) (err error) {
	defer t.watch.start("plan")()
	t.tell("plan", "planning "+t.experiment.Title)
	if err := t.mayBegin(ctx); err != nil {
		return err
	}
	if err := t.mayHalt(ctx); err != nil {
		return err
	}
	if err := t.revertStale(ctx); err != nil {
		return err
	}
	asked := t.experiment
	if t.unloaded {
		asked = asked.unjudged()
	}
	plan, err := t.Runner.plan(ctx, t.report.Run, asked, longest)
	if t.plan = plan.Plan; err != nil {
		return err
	}
	if err := t.planned.unchanged(t.experiment, plan); err != nil {
		return err
	}
	if err := t.checkRights(ctx, t.experiment, t.plan); err != nil {
		return err
	}
	for _, note := range t.plan.Notes {
		t.tell("plan", "note: "+note)
	}
	t.report.Findings, t.hopsAhead = plan.Preflight.Warnings(), plan.Preflight.Hops
	t.policies, t.unsure = policiesOf(plan.Preflight.Hops), len(plan.Preflight.Notes) > 0
	for _, warning := range t.report.Findings {
		if !warning.Advice() { // that is for plan to give
			t.tell("plan", "warning: "+warning.String())
		}
	}
	return t.connect()
}

// connect makes the way to the proxies, if there is none yet.
func (t *trial) connect() (err error) {
	if t.mesh == nil {
		t.mesh, err = observe.New(t.config)
	}
	return err
}

// warm connects to the proxies while the run is planned. What fails here is tried
// again, and told, when they are needed. The returned function waits for it.
func (t *trial) warm(ctx context.Context) (wait func()) {
	if t.connect() != nil {
		return func() {}
	}
	var work sync.WaitGroup
	work.Go(func() {
		if proxies, err := t.mesh.Proxies(ctx, t.namespaces()...); err == nil {
			t.take(ctx, proxies)
		}
	})
	return work.Wait
}

// mayBegin looks for halt flags before anything is done. Who may not see them is
// told so by the plan, or refused at the first write.
func (t *trial) mayBegin(ctx context.Context) error {
	if len(t.experiment.Faults) == 0 {
		return nil
	}
	for _, namespace := range t.namespaces() {
		if halted, err := t.injector.Halted(ctx, namespace); err == nil && halted != nil {
			return halted
		}
	}
	return nil
}

// revertStale takes out what runs that died have left where this one is going to
// write; without faults it has no business there. A run whose Lease is overdue is
// watched for its duration first, 10 s unless somebody chose another and never
// more than a minute. That happens only after a crash that no guard survived, and
// this run's baseline would otherwise be of a mesh with a fault in it.
func (t *trial) revertStale(ctx context.Context) error {
	if len(t.experiment.Faults) == 0 {
		return nil
	}
	left, err := t.injector.Leftovers(ctx, t.namespaces()...)
	if err != nil {
		return err
	}
	left = slices.DeleteFunc(left, func(l injector.Leftover) bool { return l.State == injector.Live })
	if len(left) == 0 {
		return nil
	}
	for _, l := range left {
		t.tell("plan", fmt.Sprintf("left by a run that may be dead, to be taken out if it is: %s", l))
	}
	reverted, err := t.injector.RevertStale(ctx, t.namespaces()...)
	for _, l := range reverted {
		t.log.Info("reverted a fault of a dead run", "object", l.Ref.String(), "run", l.Run, "why", l.Why)
	}
	return err
}

// haltedBefore turns a halt flag, or a halt condition that matches already, into a
// verdict; any other error is one.
func (t *trial) haltedBefore(err error) (*Report, error) {
	flag, flagged := errors.AsType[*injector.HaltedError](err)
	halt, matched := errors.AsType[*haltError](err)
	switch {
	case flagged:
		t.halted = flag.Error()
	case matched:
		t.noted(halt)
	default:
		return nil, err
	}
	t.report.Clean = true
	t.finish(nil)
	return t.report, nil
}
