package experiments

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// Bounds of a flush.
const (
	flushBudget = 3 * time.Second // in which no connection was renewed
	flushMost   = 20 * time.Second
	flushEvery  = 10 * time.Millisecond
)

// hostOf names one host of one caller's pool.
type hostOf struct{ proxy, cluster, address string }

// flush renews the connections that callers hold to the pods of an Upstream
// fault. A changed inbound listener drains: a connection that was open before
// serves one more request with the old filters and is closed with its answer. So
// requests are sent that are not the run's, which meet no fault, until every
// open connection is younger than the change; the phase that follows then meets
// the new filters from its first request on. It goes on while that helps: callers
// that were busy hold many connections, each of which takes a request. What Envoy
// closes late may remain.
func (t *trial) flush(ctx context.Context) error {
	if t.unloaded || !slices.ContainsFunc(t.plan.Edits, func(e injector.Edit) bool { return len(e.Pods) > 0 }) {
		return nil
	}
	defer t.watch.start("flush")()
	before, err := t.beforeFlush(ctx)
	if err != nil {
		return err
	}
	addresses := t.podAddresses(before)
	old := openConnections(before, addresses)
	if len(old) == 0 {
		return nil
	}
	callers := holding(before, old)
	load, err := t.runLoad(ctx)
	if err != nil {
		return err
	}
	load.Header, load.Duration = spared(t.experiment.Load.Header, t.experiment.Faults), flushMost
	sending, stop := context.WithCancel(ctx)
	defer stop()
	running, err := load.Start(sending)
	if err != nil {
		return err
	}
	waiting := newPatience(time.Now())
	for left := waiting.least; left > 0 && !waiting.over(time.Now(), left) && pause(ctx, flushEvery) == nil; {
		if now, err := t.mesh.Snapshot(ctx, callers); err == nil {
			left = notRenewed(old, openConnections(now, addresses))
		}
	}
	stop()
	_, _ = running.Wait() // nobody judges these requests
	return t.recut(ctx)
}

// beforeFlush is what callers counted: the observed proxies, and the gateways
// beside them, as far as they may be read.
func (t *trial) beforeFlush(ctx context.Context) (observe.Snapshot, error) {
	before, err := t.mesh.Snapshot(ctx, t.proxies)
	if err != nil {
		return before, fmt.Errorf("observe proxies: %w", err)
	}
	all, _ := t.everywhere(ctx) // without them, requests that a gateway sends may meet the old filters
	for _, p := range all {
		observed := slices.ContainsFunc(t.proxies, func(known observe.Proxy) bool { return known.String() == p.String() })
		if !p.Gateway || observed {
			continue
		}
		if one, err := t.mesh.Snapshot(ctx, []observe.Proxy{p}); err == nil {
			before.Proxies = append(before.Proxies, one.Proxies...)
		}
	}
	return before, nil
}

// holding are the proxies that hold such connections.
func holding(s observe.Snapshot, open map[hostOf]observe.Host) []observe.Proxy {
	var callers []observe.Proxy
	for _, state := range s.Proxies {
		for key := range open {
			if key.proxy == state.Proxy.String() {
				callers = append(callers, state.Proxy)
				break
			}
		}
	}
	return callers
}

// spared returns headers without those by which a fault tells its requests.
func spared(header map[string]string, faults []injector.Fault) map[string]string {
	kept := maps.Clone(header)
	for _, fault := range faults {
		for name := range fault.Headers {
			maps.DeleteFunc(kept, func(sent, _ string) bool { return strings.EqualFold(sent, name) })
		}
	}
	return kept
}

// recut begins the recorder's phase anew, and keeps the ejections that were seen.
func (t *trial) recut(ctx context.Context) error {
	change, err := t.recorder.Cut(ctx)
	t.between = append(t.between, change.Ejections...)
	if err != nil {
		return fmt.Errorf("observe proxies: %w", err)
	}
	return nil
}

// podAddresses are the addresses of the pods that an Upstream fault is made in.
func (t *trial) podAddresses(s observe.Snapshot) []string {
	var addresses []string
	for _, edit := range t.plan.Edits {
		for _, state := range s.Proxies {
			if state.Proxy.Namespace == edit.Ref.Namespace && slices.Contains(edit.Pods, state.Proxy.Pod) {
				addresses = append(addresses, state.Proxy.IP)
			}
		}
	}
	return addresses
}

// openConnections finds the hosts at some addresses to which callers hold
// connections.
func openConnections(s observe.Snapshot, addresses []string) map[hostOf]observe.Host {
	open := map[hostOf]observe.Host{}
	for _, state := range s.Proxies {
		for _, host := range state.Hosts {
			if host.Cluster.Direction == "outbound" && host.Open > 0 && slices.Contains(addresses, host.IP()) {
				open[hostOf{state.Proxy.String(), host.Cluster.String(), host.Address}] = host
			}
		}
	}
	return open
}

// notRenewed counts the connections that may be open since before: of each host
// that had some, those open now beyond those opened since.
func notRenewed(old, now map[hostOf]observe.Host) uint64 {
	left := uint64(0)
	for key, before := range old {
		host := now[key]
		if opened := host.Connects - before.Connects; opened < host.Open {
			left += host.Open - opened
		}
	}
	return left
}

// patience says when a flush has gone on for long enough.
type patience struct {
	least    uint64    // connections that were left, at the fewest
	deadline time.Time // unless there are fewer by then
	end      time.Time
}

func newPatience(now time.Time) *patience {
	return &patience{least: math.MaxUint64, deadline: now.Add(flushBudget), end: now.Add(flushMost)}
}

// over takes in how many connections are left, and reports whether waiting for
// fewer is over.
func (p *patience) over(now time.Time, left uint64) bool {
	if left < p.least {
		p.least, p.deadline = left, now.Add(flushBudget)
	}
	return !now.Before(p.deadline) || !now.Before(p.end)
}
