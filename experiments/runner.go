package experiments

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
)

// Budgets of the parts of a run that have no length of their own.
const (
	DefaultBarrierBudget = 15 * time.Second // for a change to reach every affected proxy
	DefaultRevertBudget  = 30 * time.Second // for taking all faults out, whatever went before
	haltBudget           = 2 * time.Second  // for finding out whether a halt flag is set
	keptBudget           = 1 * time.Second  // for seeing that the fault is in force to the end
	calmBudget           = 60 * time.Second // for hosts that an earlier run got ejected to come back
	followEvery          = time.Second      // how often a phase tells how it goes, and HaltWhen is asked
)

// Runner runs experiments against one cluster. Safe for concurrent use: runs do
// not share anything but the cluster.
type Runner struct {
	config   *rest.Config
	kube     kubernetes.Interface
	injector *injector.Injector

	log      *slog.Logger
	progress func(Event)
	barrier  time.Duration
	revert   time.Duration
	bundles  []string    // directories in which runs are kept
	planned  *PlanRecord // what runs must be as; nil for anything
}

// Option changes how a Runner works.
type Option func(*Runner)

// WithLogger makes the Runner log what it writes to the mesh. The default is
// silence.
func WithLogger(l *slog.Logger) Option { return func(r *Runner) { r.log = l } }

// WithProgress calls f for each step of a run, one call at a time.
func WithProgress(f func(Event)) Option {
	var one sync.Mutex
	return func(r *Runner) {
		r.progress = func(e Event) {
			one.Lock()
			defer one.Unlock()
			f(e)
		}
	}
}

// WithBarrierBudget bounds the wait for a change to reach every affected proxy.
func WithBarrierBudget(d time.Duration) Option { return func(r *Runner) { r.barrier = d } }

// WithRevertBudget bounds how long taking all faults out may take.
func WithRevertBudget(d time.Duration) Option { return func(r *Runner) { r.revert = d } }

// NewRunner returns a Runner for the cluster that config reaches.
func NewRunner(config *rest.Config, options ...Option) (*Runner, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	in, err := injector.New(config)
	if err != nil {
		return nil, err
	}
	r := &Runner{
		config: config, kube: kube, injector: in,
		log: slog.New(slog.DiscardHandler), progress: func(Event) {},
		barrier: DefaultBarrierBudget, revert: DefaultRevertBudget,
	}
	for _, option := range options {
		option(r)
	}
	var turn sync.Mutex // a guard speaks up when it must
	told := r.progress
	r.progress = func(e Event) {
		turn.Lock()
		defer turn.Unlock()
		told(e)
	}
	return r, nil
}

// Run performs e and reports what it saw. A hypothesis that does not hold is a
// verdict, not an error. Before anything is written to the mesh, an error says
// why the experiment cannot be done ([InputError] when e or its plan is wrong).
// After that, Run reverts before it returns, whatever happens; only if that
// fails is there an error, [injector.NotRevertedError], beside the report.
func (r *Runner) Run(ctx context.Context, e Experiment) (report *Report, err error) {
	began := time.Now()
	e = e.withDefaults()
	if err := e.Validate(); err != nil {
		return nil, &InputError{fmt.Errorf("experiment %q: %w", e.Title, err)}
	}
	t, err := r.prepare(ctx, e)
	if err != nil {
		defer t.keep(ctx)
		return t.haltedBefore(err)
	}
	defer func() { t.report.Overhead = t.watch.overhead(time.Since(began)) }()
	defer func() {
		defer t.watch.start("close")()
		err = errors.Join(err, t.close())
	}()
	defer t.keep(ctx)
	report = t.report
	if len(report.Policies.Late) > 0 {
		return t.notBegun(nil)
	}
	t.startGuard()

	t.scout(ctx)
	defer t.scouted()
	interrupted := t.baseline(ctx)
	t.scouted()
	if _, bad := firstRow(t.outcome(nil), ground); interrupted != nil || bad != "" {
		return t.notBegun(interrupted)
	}
	if err := t.haltedAlready(ctx); err != nil {
		report.Clean = true
		return t.haltedBefore(err)
	}
	err = t.withFaults(ctx, t.fault)
	interrupted, notReverted := separate(err)
	if interrupted == nil && notReverted == nil && t.halted == "" {
		interrupted = t.observe(ctx, e.Recovery, &report.Recovery, nil)
	}
	if interrupted == nil && !report.During.To.IsZero() { // by now the access logs are written
		report.Evidence, interrupted = t.evidence(ctx)
		report.Attribution = t.attribution(ctx)
		report.Standing = t.standing(ctx)
	}
	t.finish(interrupted)
	return report, notReverted
}

// notBegun ends a run before anything was written.
func (t *trial) notBegun(interrupted error) (*Report, error) {
	t.report.Clean = true
	t.finish(interrupted)
	return t.report, nil
}

// longest is what a run of e may take from its plan to the end of its revert, and
// a minute. Both phases that come before the revert may end as late as their last
// answer.
func (r *Runner) longest(e Experiment) time.Duration {
	answers := 2 * max(e.Load.Timeout, loadgen.DefaultTimeout)
	return calmBudget + e.Settle + r.barrier + flushMost + e.Duration + answers + r.revert + time.Minute
}

// separate tells a fault that is left in the mesh from everything else that cut
// a run short.
func separate(err error) (interrupted, notReverted error) {
	if _, left := errors.AsType[*injector.NotRevertedError](err); left {
		return err, err
	}
	return err, nil
}
