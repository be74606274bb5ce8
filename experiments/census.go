// Which proxies there are while a run goes on: born, gone and restarted ones.

package experiments

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-mesh/faultline/observe"
)

// censusBudget is for reading when each of the observed proxies began.
const censusBudget = 3 * time.Second

// Restart is a proxy that began anew while it was observed: what it had counted
// since its last reading, and whom it had ejected, is lost.
type Restart struct {
	Proxy string // as "Pod namespace/name"
	Phase string // in which it was noticed
}

// life is one process of a proxy.
type life struct {
	proxy observe.Proxy
	began time.Time // by its own word; zero when it could not be read
}

// census is the lives of proxies, by "Pod namespace/name".
type census map[string]life

// take asks proxies when they began, side by side.
func (t *trial) take(ctx context.Context, proxies []observe.Proxy) census {
	ctx, cancel := context.WithTimeout(ctx, censusBudget)
	defer cancel()
	taken := census{}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(barrierWidth)
	for _, p := range proxies {
		group.Go(func() error {
			began, _ := t.mesh.Started(ctx, p) // what is not known is not compared
			mu.Lock()
			defer mu.Unlock()
			taken[p.String()] = life{p, began}
			return nil
		})
	}
	_ = group.Wait() // nobody returns an error
	return taken
}

// since compares with what was before: which proxies were born, which are gone
// and which of those that stayed began anew.
func (now census) since(before census) (born, gone []observe.Proxy, restarted []string) {
	for name, l := range now {
		switch was, known := before[name]; {
		case !known:
			born = append(born, l.proxy)
		case l.anew(was):
			restarted = append(restarted, name)
		}
	}
	for name, l := range before {
		if _, stayed := now[name]; !stayed {
			gone = append(gone, l.proxy)
		}
	}
	byName := func(a, b observe.Proxy) int { return strings.Compare(a.String(), b.String()) }
	slices.SortFunc(born, byName)
	slices.SortFunc(gone, byName)
	slices.Sort(restarted)
	return born, gone, restarted
}

// anew says whether l is not the process that was.
func (l life) anew(was life) bool {
	switch {
	case l.proxy.UID != was.proxy.UID, l.proxy.Restarts > was.proxy.Restarts:
		return true
	}
	return !l.began.IsZero() && !was.began.IsZero() && !l.began.Equal(was.began)
}

// count looks which of the observed proxies are still what they were before the
// phase, and from then on observes those that there are.
func (t *trial) count(ctx context.Context, phase string) {
	if t.scouted != nil {
		t.scouted()
	}
	proxies, err := t.observed(ctx)
	if err != nil || len(t.lives) == 0 {
		return // the barrier tells that they cannot be listed
	}
	now := t.take(ctx, proxies)
	born, gone, restarted := now.since(t.lives)
	for _, name := range restarted {
		t.report.Restarts = append(t.report.Restarts, Restart{Proxy: name, Phase: phase})
	}
	for _, p := range born {
		t.report.Born = append(t.report.Born, p.String())
		if t.newborn == nil {
			t.newborn = map[string]bool{}
		}
		t.newborn[identity(p)] = true
	}
	for _, p := range gone {
		t.report.Gone = append(t.report.Gone, p.String())
	}
	for name, l := range now { // what was not read keeps what was known of it
		if was := t.lives[name]; l.began.IsZero() && !l.anew(was) {
			now[name] = life{l.proxy, was.began}
		}
	}
	t.lives, t.proxies = now, proxies
}

// excused takes out of a recorder's error what is known better: that a proxy is
// gone, or began anew.
func (t *trial) excused(err error) error {
	var left []error
	for _, one := range joined(err) {
		read, ok := errors.AsType[*observe.ReadError](one)
		if ok && (slices.Contains(t.report.Gone, read.Proxy.String()) ||
			slices.ContainsFunc(t.report.Restarts, func(r Restart) bool { return r.Proxy == read.Proxy.String() })) {
			continue
		}
		left = append(left, one)
	}
	return errors.Join(left...)
}

// joined takes joined errors apart.
func joined(err error) []error {
	if err == nil {
		return nil
	}
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range many.Unwrap() {
		all = append(all, joined(one)...)
	}
	return all
}

// scout makes ready for the barrier while the baseline runs: it connects to every
// proxy that may be affected, finds out where in its configuration the service is,
// and when it began. What it leaves out the barrier does. It is over when scouted
// has returned.
func (t *trial) scout(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { t.lives = t.take(ctx, t.proxies) })
	work.Go(func() { t.explore(ctx) })
	t.scouted = func() { cancel(); work.Wait() }
}

// scoutWidth is how many proxies are read side by side while load is sent.
const scoutWidth = 4

// explore looks at every proxy that may be affected.
func (t *trial) explore(ctx context.Context) {
	all, err := t.everywhere(ctx)
	if err != nil {
		return
	}
	var group errgroup.Group
	group.SetLimit(scoutWidth)
	for _, s := range bySights(sights(t.plan.Edits, t.experiment.Faults, all)) {
		group.Go(func() error {
			for _, one := range s.sights {
				t.seek(ctx, one)
			}
			return nil
		})
	}
	_ = group.Wait() // nobody returns an error
}

// seek learns where a sight will be.
func (t *trial) seek(ctx context.Context, s sight) {
	if knows, err := t.knows(ctx, s); err != nil || !knows {
		return
	}
	query := t.places.query(s)
	if dump, err := t.mesh.ConfigDump(ctx, s.proxy, query); err == nil {
		t.places.learn(s, query, dump)
	}
}

// vanished says of which faulted service no caller sees a pod any more, though
// there were some in the baseline: then what was measured is not the fault's doing.
func (t *trial) vanished(ctx context.Context) string {
	const most = 3 // callers that are asked
	for _, fault := range t.experiment.Faults {
		service := serviceName(fault.On)
		var callers []observe.Proxy
		for _, state := range t.report.Baseline.Mesh.Proxies {
			if len(callers) < most && callsService(state, service) &&
				slices.ContainsFunc(t.proxies, func(p observe.Proxy) bool { return p.String() == state.Proxy.String() }) {
				callers = append(callers, state.Proxy)
			}
		}
		now, err := t.mesh.Snapshot(ctx, callers)
		if err != nil || len(callers) == 0 {
			continue // nobody can tell
		}
		if !slices.ContainsFunc(now.Proxies, func(state observe.ProxyState) bool { return callsService(state, service) }) {
			return fmt.Sprintf("no pod of %s is left, as %s sees it, though there were some in the baseline", service, callers[0])
		}
	}
	return ""
}

func callsService(state observe.ProxyState, service string) bool {
	return slices.ContainsFunc(state.Hosts, func(h observe.Host) bool {
		return h.Cluster.Direction == observe.Outbound && h.Cluster.Serves(service)
	})
}
