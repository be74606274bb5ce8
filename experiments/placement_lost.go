package experiments

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// trailBudget is how long more of a load is sent that reached no fault, to see
// where it goes.
const trailBudget = time.Second

// baseline is the phase before the faults. A good one ends with the question
// whether the load comes to where they will be made.
func (t *trial) baseline(ctx context.Context) error {
	err := t.observe(ctx, t.experiment.Settle, &t.report.Baseline, nil)
	if _, bad := firstRow(t.outcome(nil), ground); err != nil || bad != "" {
		return err
	}
	return t.reached(ctx)
}

// reached finds out whether the load of the baseline passed where the faults
// would be made. If it did not pass where any of them would, the report says so,
// and nothing must be injected: a fault that hits nobody proves nothing. One
// that is reached is enough, because it may be what sends requests to the others.
func (t *trial) reached(ctx context.Context) error {
	hops := t.hops()
	missed := missedHops(hops, t.report.Baseline)
	if len(missed) == 0 || t.unloaded {
		return nil
	}
	seen, more, err := t.trail(ctx)
	if err != nil {
		return err
	}
	for _, h := range missed {
		if t.carriedElsewhere(h, seen) {
			return nil
		}
	}
	var texts []string
	for _, h := range missed {
		texts = append(texts, h.lost(t.report.Baseline, trail{seen, more, t.load}))
	}
	t.report.Missed = strings.Join(texts, "; ")
	return nil
}

// missedHops are the hops, where proxies make faults, that no request of a phase
// passed; none if one was passed, or if no proxy would make a fault. That none
// came to the faulted pods of a service, or to its subset, may be chance: it
// counts as passed where requests went to any of its pods.
func missedHops(hops []hop, p Phase) []hop {
	var missed []hop
	for _, h := range hops {
		h.anywhere = true
		placed := h.placement(p)
		if placed.Requests > 0 || len(h.makers) > 0 && h.fault.Site == injector.Upstream && sent(p.Mesh, h.toService) > 0 {
			return nil
		}
		if placed.Knowing > 0 {
			missed = append(missed, h)
		}
	}
	return missed
}

// sent counts what all proxies sent to clusters.
func sent(seen observe.Change, to func(observe.Cluster) bool) int {
	sum := 0
	for _, state := range seen.Proxies {
		sum += requestsTo(state, to)
	}
	return sum
}

// trail sends more of the load and returns what every proxy that can be read
// counted of it, and how many requests it was.
func (t *trial) trail(ctx context.Context) (observe.Change, int, error) {
	proxies, err := t.everywhere(ctx)
	if err != nil {
		return observe.Change{}, 0, fmt.Errorf("find proxies: %w", err)
	}
	before, err := t.mesh.Snapshot(ctx, proxies)
	if err != nil { // somebody else's proxy that cannot be read is no reason to know nothing
		proxies = t.proxies
		if before, err = t.mesh.Snapshot(ctx, proxies); err != nil {
			return observe.Change{}, 0, fmt.Errorf("observe proxies: %w", err)
		}
	}
	load := t.load
	load.Duration = trailBudget
	more, err := load.Run(ctx)
	if ctx.Err() != nil {
		return observe.Change{}, 0, context.Cause(ctx)
	}
	if err != nil {
		return observe.Change{}, 0, err
	}
	after, err := t.mesh.Snapshot(ctx, proxies)
	if err != nil {
		return observe.Change{}, 0, fmt.Errorf("observe proxies: %w", err)
	}
	return after.Since(before), more.Requests(), t.recut(ctx)
}

// carriedElsewhere reports whether proxies that were not observed, because they
// are in other namespaces, would make the fault and carry the load. From then on
// they are asked for evidence, too.
func (t *trial) carriedElsewhere(h hop, seen observe.Change) bool {
	found := false
	var beyond []observe.Proxy
	for _, state := range seen.Proxies {
		if h.passed(state) > 0 && !slices.ContainsFunc(t.proxies, func(p observe.Proxy) bool { return p.String() == state.Proxy.String() }) {
			beyond = append(beyond, state.Proxy)
		}
	}
	for _, s := range sights(t.plan.Edits, t.experiment.Faults, beyond) {
		if s.edit.Fault == h.index && len(s.edit.Signs) > 0 {
			t.beyond, found = append(t.beyond, s.proxy), true
		}
	}
	return found
}
