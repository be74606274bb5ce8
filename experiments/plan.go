package experiments

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/injector"
)

// Plan is what is known of a run before it begins: what it would write, whom
// that affects, what the mesh will make of it, and which rights it takes.
type Plan struct {
	injector.Plan                  // what would be written; its Notes say what could not be looked at, too
	Preflight     preflight.Result // what follows from the mesh as it is

	Roles       []rbacv1.Role       // what the runner must be allowed to do, a Role for each namespace
	ClusterRole *rbacv1.ClusterRole // for an experiment without any namespace; else nil
}

// Plan computes what a run of e would write and whether it can answer its
// question, and writes nothing. The same problems that make Run return an error
// before its first write make Plan return it; a plan that is refused comes with
// what was found.
func (r *Runner) Plan(ctx context.Context, e Experiment) (Plan, error) {
	e = e.withDefaults()
	if err := e.Validate(); err != nil {
		return Plan{}, &InputError{fmt.Errorf("experiment %q: %w", e.Title, err)}
	}
	plan, err := r.plan(ctx, injector.NewRunID(), e, r.longest(e))
	if err != nil {
		return plan, err
	}
	plan.Roles, plan.ClusterRole = r.rolesFor(ctx, e, plan.Plan)
	return plan, nil
}

// plan decides what a run writes, and looks whether it is worth it. Everything
// that speaks against it is in the error.
func (r *Runner) plan(ctx context.Context, run string, e Experiment, longest time.Duration) (Plan, error) {
	plan := Plan{Plan: injector.Plan{Run: run}}
	var world preflight.World
	var refused error
	reading, within := errgroup.WithContext(ctx)
	reading.Go(func() (err error) {
		world, err = preflight.Look(within, r.config, e.callers()...)
		return err
	})
	reading.Go(func() error {
		if len(e.Faults) == 0 {
			return nil
		}
		found, err := r.injector.Plan(within, run, e.Faults, e.BlastRadius, r.injector.Now().Add(longest))
		if _, wrong := errors.AsType[*injector.RefusedError](err); wrong {
			refused, err = err, nil // there may be more to refuse
		}
		plan.Plan = found
		return err
	})
	if err := reading.Wait(); err != nil {
		if _, halted := errors.AsType[*injector.HaltedError](err); halted {
			return plan, err
		}
		return plan, &InputError{fmt.Errorf("experiment %q: %w", e.Title, err)}
	}
	plan.Preflight = preflight.Check(e.question(plan.Plan), world)
	if err := errors.Join(refused, refusal(plan.Preflight)); err != nil {
		return plan, &InputError{fmt.Errorf("experiment %q: %w", e.Title, err)}
	}
	plan.Notes = append(plan.Notes, plan.Preflight.Notes...)
	return plan, r.seesAll(ctx, e, &plan)
}

// question is what e asks of the mesh, when plan is what would be written for it.
func (e Experiment) question(plan injector.Plan) preflight.Question {
	return preflight.Question{
		Faults: e.Faults, Edits: plan.Edits, Load: e.Load, Gateway: e.Gateway, Claims: e.claims(),
		Settle: e.Settle, Duration: e.Duration, Recovery: e.Recovery,
	}
}

// refusal says why a run cannot answer its question, or is nil.
func refusal(r preflight.Result) error {
	var lines []string
	for _, f := range r.Refused() {
		lines = append(lines, f.String())
	}
	switch len(lines) {
	case 0:
		return nil
	case 1:
		return errors.New("refused: " + lines[0])
	}
	return fmt.Errorf("refused for %d reasons:\n  %s", len(lines), strings.Join(lines, "\n  "))
}

// seesAll notes when callers in other namespaces cannot be seen.
func (r *Runner) seesAll(ctx context.Context, e Experiment, plan *Plan) error {
	if len(e.Faults) == 0 {
		return nil
	}
	_, err := r.kube.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{Limit: 1})
	if apierrors.IsForbidden(err) {
		plan.Notes = append(plan.Notes, fmt.Sprintf("pods can be listed in namespaces %q only: whether callers elsewhere have the fault, "+
			"and have dropped it after the run, is not seen", e.callers()))
		return nil
	}
	return err
}

// unjudged is e without what it asserts, for a run that judges nothing.
func (e Experiment) unjudged() Experiment {
	e.SteadyState, e.Healthy, e.During, e.Recovered = nil, nil, nil, nil
	return e
}
