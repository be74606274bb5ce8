package experiments

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline-mesh/faultline/experiments/internal/guard"
	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

// trial is one run of one experiment: what Runner.Run needs to keep between its
// steps.
type trial struct {
	*Runner
	experiment Experiment
	plan       injector.Plan
	hopsAhead  []preflight.Hop // the calls that the experiment is about, as they were planned
	mesh       *observe.Mesh
	proxies    []observe.Proxy // observed throughout
	recorder   *observe.Recorder
	load       loadgen.Load // with the run's headers and the entry's address
	report     *Report
	told       story
	injection  *injector.Injection         // once the faults are in
	steps      []step                      // of the ramps, as far as they got
	halted     string                      // what a halt condition, or the halt flag, said
	guard      *guard.Guard                // nil without one
	unloaded   bool                        // no request is sent
	between    []observe.Ejection          // noticed between the phases
	places     places                      // where the faulted services are in the proxies
	scouted    func()                      // ends the scout
	lives      census                      // the observed proxies, as they were counted last
	beyond     []observe.Proxy             // not observed, in other namespaces, and yet the load passes them
	metered    map[string]observe.Requests // by proxy, what Istio's own counted in the fault phase
	vain       *vain                       // asks whether the fault phase can prove anything; nil outside of it
	newborn    map[string]bool             // proxies that were born during the run, by identity
	watch      stopwatch
	policies   []clusterPolicy         // that the callers must have before the baseline
	unsure     bool                    // whether there may be objects that nobody may read
	fire       context.CancelCauseFunc // ends the fault phase, with a haltError
	fetching   sync.WaitGroup          // of the conditions that are fetched
	windows    []observe.Change        // of the fault phase, at each look of the halt conditions
}

// prepare plans the run and begins to observe. Nothing is written to the mesh.
func (r *Runner) prepare(ctx context.Context, e Experiment) (t *trial, err error) {
	t = r.newTrial(e)
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	warm := t.warm(ctx)
	err = t.begin(ctx, r.longest(e))
	warm()
	if err != nil {
		return t, err
	}
	defer t.watch.start("observe")()
	if t.proxies, err = t.observed(ctx); err != nil {
		return t, fmt.Errorf("find proxies: %w", err)
	}
	if t.recorder, err = t.mesh.Record(ctx, t.proxies, 0); err != nil {
		return t, fmt.Errorf("observe proxies: %w", err)
	}
	if t.inForcePolicies(ctx); len(t.report.Policies.Late) > 0 {
		return t, nil
	}
	if err := t.calm(ctx); err != nil {
		return t, err
	}
	t.load, err = t.runLoad(ctx)
	return t, err
}

// namespaces are where the observed proxies live.
func (t *trial) namespaces() []string { return t.experiment.namespaces() }

// distinct returns names sorted, each once.
func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// observed are the proxies to observe: all in the namespaces and, elsewhere, those
// of the callers that a fault names.
func (t *trial) observed(ctx context.Context) ([]observe.Proxy, error) {
	proxies, err := t.mesh.Proxies(ctx, t.namespaces()...)
	if err != nil || !slices.ContainsFunc(t.experiment.Faults, func(f injector.Fault) bool {
		return f.From.Gateway != "" || f.From.Namespace != ""
	}) {
		return proxies, err
	}
	all, err := t.everywhere(ctx)
	for _, s := range sights(t.plan.Edits, t.experiment.Faults, all) {
		from := t.experiment.Faults[s.edit.Fault].From
		known := slices.ContainsFunc(proxies, func(p observe.Proxy) bool { return p.String() == s.proxy.String() })
		if (from.Gateway != "" || from.Namespace != "") && !known {
			proxies = append(proxies, s.proxy)
		}
	}
	return proxies, err
}

// calm waits until no host is ejected, so that an earlier experiment does not
// leak into this baseline.
func (t *trial) calm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, calmBudget)
	defer cancel()
	for {
		var open []observe.Ejection
		for _, e := range t.recorder.Ejections() {
			if e.ReadmittedAt.IsZero() {
				open = append(open, e)
			}
		}
		if len(open) == 0 {
			_, err := t.recorder.Cut(ctx) // the baseline begins here
			return err
		}
		t.tell("baseline", fmt.Sprintf("waiting for %d host(s) that are still ejected, such as %s", len(open), open[0].Address))
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("the mesh is not calm: %s sees host %s of %s ejected since %s: %w",
				open[0].Proxy, open[0].Address, open[0].Cluster.Service, open[0].At.Format(time.TimeOnly), err)
		}
	}
}

// runLoad is the experiment's load as this run sends it.
func (t *trial) runLoad(ctx context.Context) (loadgen.Load, error) {
	load := t.experiment.Load
	load.Header = runHeader(load.Header, t.report.Run)
	if t.experiment.Gateway == "" {
		return load, nil
	}
	var err error
	if load.ConnectTo, err = entry(ctx, t.kube, t.experiment.Gateway, load.URL); err != nil {
		return load, &InputError{fmt.Errorf("experiment %q: %w", t.experiment.Title, err)}
	}
	return load, nil
}

// runHeader adds the run's headers to the user's; members of a baggage that the
// user sends stay.
func runHeader(header map[string]string, run string) map[string]string {
	all := injector.Headers(run)
	for name, value := range header {
		if strings.EqualFold(name, injector.HeaderBaggage) {
			all[injector.HeaderBaggage] = value + "," + all[injector.HeaderBaggage]
		} else {
			all[name] = value
		}
	}
	return all
}

// finish draws the verdict.
func (t *trial) finish(interrupted error) {
	if t.recorder != nil {
		t.report.Series = t.recorder.Series()
	}
	t.report.Verdict, t.report.Reason = judge(t.outcome(interrupted))
	t.tell("verdict", fmt.Sprintf("%s: %s", t.report.Verdict, t.report.Reason))
}

// outcome is what is known by now.
func (t *trial) outcome(interrupted error) outcome {
	return outcome{Report: t.report, asked: t.experiment, halted: t.halted, interrupted: interrupted}
}

// close ends everything that the trial started. What is not clean is left to the
// guard.
func (t *trial) close() error {
	t.fetching.Wait()
	if t.guard != nil {
		t.guard.End(t.report.Clean)
	}
	if t.recorder != nil {
		// Cut has told what could not be read in a phase that counts.
		_ = t.recorder.Stop()
	}
	if t.mesh != nil {
		return t.mesh.Close()
	}
	return nil
}

func (t *trial) tell(step, text string) {
	t.told.add(step, text)
	t.progress(Event{Run: t.report.Run, Step: step, Text: text})
}

// pause waits, or returns why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
