package experiments

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// Bounds of a flush.
const (
	flushBudget = 3 * time.Second
	flushEvery  = 10 * time.Millisecond
)

// hostOf names one host of one caller's pool.
type hostOf struct{ proxy, cluster, address string }

// flush renews the connections that callers hold to the pods of an Upstream
// fault. A changed inbound listener drains: a connection that was open before
// serves one more request with the old filters and is closed with its answer. So
// requests are sent that are not the run's, which meet no fault, until every
// open connection is younger than the change; the phase that follows then meets
// the new filters from its first request on. What Envoy closes late may remain:
// the flush ends after its budget in any case.
func (t *trial) flush(ctx context.Context) error {
	if t.unloaded || !slices.ContainsFunc(t.plan.Edits, func(e injector.Edit) bool { return len(e.Pods) > 0 }) {
		return nil
	}
	defer t.watch.start("flush")()
	before, err := t.mesh.Snapshot(ctx, t.proxies)
	if err != nil {
		return fmt.Errorf("observe proxies: %w", err)
	}
	addresses := t.podAddresses(before)
	old := openConnections(before, addresses)
	if len(old) == 0 {
		return nil
	}
	callers := t.holding(old)
	load, err := t.runLoad(ctx)
	if err != nil {
		return err
	}
	load.Header, load.Duration = spared(t.experiment.Load.Header, t.experiment.Faults), flushBudget
	sending, stop := context.WithCancel(ctx)
	defer stop()
	running, err := load.Start(sending)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(flushBudget); time.Now().Before(deadline); {
		if err := pause(ctx, flushEvery); err != nil {
			break
		}
		now, err := t.mesh.Snapshot(ctx, callers)
		if err == nil && renewed(old, openConnections(now, addresses)) {
			break
		}
	}
	stop()
	_, _ = running.Wait() // nobody judges these requests
	return t.recut(ctx)
}

// holding are the observed proxies that hold such connections.
func (t *trial) holding(open map[hostOf]observe.Host) []observe.Proxy {
	return slices.DeleteFunc(slices.Clone(t.proxies), func(p observe.Proxy) bool {
		for key := range open {
			if key.proxy == p.String() {
				return false
			}
		}
		return true
	})
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

// renewed reports whether each host that had connections open has as many, or
// more, opened since as are open now.
func renewed(old, now map[hostOf]observe.Host) bool {
	for key, before := range old {
		if host, open := now[key]; open && host.Connects-before.Connects < host.Open {
			return false
		}
	}
	return true
}
