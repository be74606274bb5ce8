// What is kept of a run, to find out why it ended as it did.

package experiments

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/bundle"
	"github.com/faultline-mesh/faultline/observe"
)

// Bounds of a troubleshooting bundle.
const (
	bundleBudget  = 3 * time.Second
	bundleProxies = 16 // that are looked at, those that make the fault first
)

// WithBundle keeps each run in dir, in a directory of the run's id: its report,
// and, unless it was Held, a troubleshooting bundle of what the mesh showed right
// after it: configuration, certificates and logs of the affected proxies, what
// istiod says of them, the objects that rule the faulted hosts, and events. That
// takes up to 3 seconds, after the faults are out; what cannot be had is told
// there. Secrets are left out. Nothing is ever removed from dir. Given more than
// once, runs are kept in each.
func WithBundle(dir string) Option { return func(r *Runner) { r.bundles = append(r.bundles, dir) } }

// story is what a run told so far.
type story struct {
	mu      sync.Mutex
	moments []bundle.Moment
}

func (s *story) add(step, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moments = append(s.moments, bundle.Moment{At: time.Now(), Step: step, Text: bundle.Text(text)})
}

// keep writes the report and, unless the run was Held, what the mesh shows now.
// It fails nothing: what could not be kept is told.
func (t *trial) keep(ctx context.Context) {
	if len(t.bundles) == 0 || t.report.Reason == "" { // a panic is on its way
		return
	}
	defer t.watch.start("bundle")()
	ctx, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), bundleBudget, fmt.Errorf("no answer within %s", bundleBudget))
	defer stop()
	b := bundle.Bundle{Run: t.report.Run, Asked: t.asked()}
	if t.report.Verdict != Held {
		began := time.Now()
		t.collect(ctx, &b)
		b.Took = time.Since(began).Round(time.Millisecond).String()
	}
	t.told.mu.Lock()
	b.Story = slices.Clone(t.told.moments)
	t.told.mu.Unlock()
	report, err := json.MarshalIndent(t.report, "", "  ")
	if err != nil {
		t.tell("bundle", fmt.Sprintf("the run is not kept: %v", err))
		return
	}
	for _, dir := range t.bundles {
		path, err := bundle.Write(dir, b, bundle.JSON(report), bundle.Text(t.report.String()))
		switch {
		case err != nil:
			t.tell("bundle", fmt.Sprintf("the run is not kept: %v", err))
		case t.report.Verdict != Held:
			t.tell("bundle", fmt.Sprintf("what the mesh showed is in %s; `faultline why %s` tells it", path, b.Run))
		}
	}
}

// asked is what the experiment wanted.
func (t *trial) asked() bundle.Asked {
	e := t.experiment
	asked := bundle.Asked{Hosts: t.hosts()}
	for _, f := range e.Faults {
		asked.Faults = append(asked.Faults, f.String())
	}
	method, rate := e.Load.Method, e.Load.Rate
	if method == "" {
		method = "GET"
	}
	asked.Load = bundle.Text(fmt.Sprintf("%s %s", method, e.Load.URL))
	if rate > 0 {
		asked.Load += fmt.Sprintf(" at %v/s", rate)
	}
	if e.Gateway != "" {
		asked.Load += " by " + e.Gateway
	}
	return asked
}

// hosts are the services that the faults are on and the matchers ask about, as the
// clusters of proxies begin to name them.
func (t *trial) hosts() []string {
	var all []string
	for _, f := range t.experiment.Faults {
		all = append(all, serviceName(f.On))
	}
	for _, c := range t.experiment.claims() {
		known := slices.ContainsFunc(all, func(host string) bool { return strings.HasPrefix(host, c.Service+".") })
		if c.Service != "" && !known {
			all = append(all, c.Service)
		}
	}
	return distinct(all)
}

// collect looks at everything side by side. Whoever is not done in time is
// missing.
func (t *trial) collect(ctx context.Context, b *bundle.Bundle) {
	var mu sync.Mutex
	missing := func(what string, err error) {
		mu.Lock()
		defer mu.Unlock()
		b.Missing = append(b.Missing, bundle.Text(fmt.Sprintf("%s: %v", what, err)))
	}
	affected := t.affected()
	b.Versions = map[string]string{}
	b.Proxies = make([]bundle.Proxy, len(affected))
	var syncs map[string]observe.Sync
	var group errgroup.Group
	if t.mesh == nil { // the run was over before it looked at anything
		return
	}
	for i, a := range affected {
		group.Go(func() error { b.Proxies[i] = t.showProxy(ctx, a, missing); return nil })
	}
	group.Go(func() (err error) {
		if syncs, err = t.mesh.Syncz(ctx, injector.DefaultRootNamespace); err != nil {
			missing("what istiod says of the proxies", err)
		}
		return nil
	})
	group.Go(func() error { b.Objects = t.ruling(ctx, missing); return nil })
	group.Go(func() error { b.Events = t.events(ctx, missing); return nil })
	group.Go(func() error {
		if version, err := t.kube.Discovery().ServerVersion(); err == nil {
			b.Versions["Kubernetes"] = version.GitVersion
		}
		return nil
	})
	_ = group.Wait() // whoever fails is missing
	for i := range b.Proxies {
		if says, ok := syncs[strings.TrimPrefix(b.Proxies[i].Name, "Pod ")]; ok {
			b.Proxies[i].Sync, b.Proxies[i].Refused, b.Proxies[i].Pending = bundle.Text(says.String()), len(says.Refused) > 0, len(says.Pending) > 0
		}
	}
	slices.Sort(b.Missing)
}

// affected is a proxy that is worth a look, and why.
type affected struct {
	observe.Proxy
	roles []string
}

// affected are the proxies that make a fault, then those that call a faulted
// service, then gateways.
func (t *trial) affected() []affected {
	var all []affected
	add := func(p observe.Proxy, role string) {
		i := slices.IndexFunc(all, func(a affected) bool { return a.String() == p.String() })
		if i < 0 {
			i, all = len(all), append(all, affected{Proxy: p})
		}
		if !slices.Contains(all[i].roles, role) {
			all[i].roles = append(all[i].roles, role)
		}
	}
	for i := range t.experiment.Faults {
		for _, p := range t.makers(i) {
			add(p, "makes the fault")
		}
	}
	hosts := t.hosts()
	for _, state := range slices.Concat(t.report.Baseline.Mesh.Proxies, t.report.During.Mesh.Proxies) {
		for _, host := range hosts {
			if callsService(state, host) {
				add(state.Proxy, "calls "+host)
			}
		}
	}
	for _, p := range t.proxies {
		if p.Gateway {
			add(p, "gateway")
		}
	}
	return all[:min(len(all), bundleProxies)]
}
