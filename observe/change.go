package observe

import (
	"cmp"
	"slices"
	"time"
)

// Change is what some proxies counted between two times, and which hosts they
// ejected. The zero Change saw nothing.
type Change struct {
	From, To  time.Time
	Proxies   []ProxyState // counters are differences; Ejected and Active are the later values
	Ejections []Ejection   // by time; also those from before From that were still open then
}

// Ejection is the time a host was out of the load balancing of one proxy.
// It began within a Change if its At is after From; otherwise the host was
// out when the Change began.
type Ejection struct {
	Proxy        Proxy
	Cluster      Cluster
	Address      string    // ip:port of the host
	At           time.Time // when it was first seen out
	Errors       uint64    // errors of the host that Proxy had counted at At, in the phase of At
	ReadmittedAt time.Time // when it was first seen back; zero: still out
}

// ProxyHost is a host together with the proxy that counted.
type ProxyHost struct {
	Proxy Proxy
	Host  Host
}

// MeshChange returns c, so that whatever accepts a value with a MeshChange
// accepts a Change itself.
func (c Change) MeshChange() Change { return c }

// Hosts returns the outbound hosts of service as all proxies of c see them,
// one for each proxy, cluster and address: an address that is in a subset is
// there twice, and counts in the cluster that the route names. See
// [Cluster.Serves] for how to name the service.
func (c Change) Hosts(service string) []ProxyHost {
	var hosts []ProxyHost
	for _, state := range c.Proxies {
		for _, host := range state.Hosts {
			if host.Cluster.Serves(service) {
				hosts = append(hosts, ProxyHost{Proxy: state.Proxy, Host: host})
			}
		}
	}
	return hosts
}

// Since returns what the proxies of s counted since before was taken. A proxy
// or host that before does not know counts from zero, and so does a host whose
// counters went back, as after a restart of its proxy. A proxy that only
// before knows is left out. Ejections carry the times of the snapshots that
// showed them: what came and went in between is not seen, use a [Recorder].
func (s Snapshot) Since(before Snapshot) Change {
	earlier := make(map[string]ProxyState, len(before.Proxies))
	for _, state := range before.Proxies {
		earlier[state.Proxy.key()] = state
	}
	change := Change{From: before.At, To: s.At}
	for _, state := range s.Proxies {
		base, known := earlier[state.Proxy.key()]
		if !known {
			base.Stats = map[string]uint64{}
		}
		ledger := newLedger(state.Proxy, base.Hosts, base.Stats, before.At)
		ledger.add(state.Hosts, s.At)
		part, ejections := ledger.turn(state.Stats, s.At)
		change.Proxies = append(change.Proxies, part)
		change.Ejections = append(change.Ejections, ejections...)
	}
	sortEjections(change.Ejections)
	return change
}

// sortEjections orders by time, and what was seen at one time by name.
func sortEjections(ejections []Ejection) {
	slices.SortStableFunc(ejections, func(a, b Ejection) int {
		return cmp.Or(
			a.At.Compare(b.At),
			cmp.Compare(a.Proxy.key(), b.Proxy.key()),
			cmp.Compare(a.Cluster.String(), b.Cluster.String()),
			cmp.Compare(a.Address, b.Address),
		)
	})
}
