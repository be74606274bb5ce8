package observe

import (
	"cmp"
	"slices"
	"time"
)

// hostKey tells the hosts of one proxy apart.
type hostKey struct {
	cluster Cluster
	address string
}

func (h Host) key() hostKey { return hostKey{cluster: h.Cluster, address: h.Address} }

// ledger adds up the readings of one proxy, phase by phase. It adds up the
// difference of each reading to the one before, so that a restart or a host
// that leaves costs only what was counted after the last reading. It has no
// clock and reads nothing. Not safe for concurrent use.
type ledger struct {
	proxy     Proxy
	from      time.Time         // begin of the phase
	last      map[hostKey]Host  // the latest reading
	sum       map[hostKey]Host  // what was counted in the phase
	stats     map[string]uint64 // counters at the begin of the phase; nil: not known
	ejections []Ejection        // all there were, in the order they were seen
	out       map[hostKey]int   // open ejections, by their index
}

// newLedger begins the first phase with what the proxy had counted until at.
func newLedger(p Proxy, hosts []Host, stats map[string]uint64, at time.Time) *ledger {
	l := &ledger{proxy: p, from: at, stats: stats, out: map[hostKey]int{}}
	l.last = make(map[hostKey]Host, len(hosts))
	for _, host := range hosts {
		l.last[host.key()] = host
	}
	l.clear()
	for _, host := range hosts {
		l.watchEjection(host, at)
	}
	return l
}

// add takes in a reading that was made at the given time.
func (l *ledger) add(hosts []Host, at time.Time) {
	last := make(map[hostKey]Host, len(hosts))
	for _, host := range hosts {
		key := host.key()
		last[key] = host
		l.sum[key] = host.plus(l.sum[key], l.last[key])
		l.watchEjection(host, at)
	}
	l.last = last // a host that left and comes back counts from zero
}

// watchEjection opens an ejection when host is out and was not, and closes it
// when host is back.
func (l *ledger) watchEjection(host Host, at time.Time) {
	key := host.key()
	index, out := l.out[key]
	switch {
	case host.Ejected && !out:
		l.out[key] = len(l.ejections)
		l.ejections = append(l.ejections, Ejection{
			Proxy: l.proxy, Cluster: host.Cluster, Address: host.Address,
			At: at, Errors: l.sum[key].Errors,
		})
	case !host.Ejected && out:
		l.ejections[index].ReadmittedAt = at
		delete(l.out, key)
	}
}

// turn ends the phase at the given time and begins the next. It returns what
// was counted in the ended phase and the ejections that were open in it.
// A nil stats says that they could not be read: then this phase and the next
// have none.
func (l *ledger) turn(stats map[string]uint64, at time.Time) (ProxyState, []Ejection) {
	state, ejections := l.window()
	state.Stats = subtract(stats, l.stats)
	l.from, l.stats = at, stats
	l.clear()
	return state, ejections
}

// window returns what was counted in the phase until the latest reading,
// without Stats, and the ejections that were open in it.
func (l *ledger) window() (ProxyState, []Ejection) {
	state := ProxyState{Proxy: l.proxy}
	for _, host := range l.sum {
		state.Hosts = append(state.Hosts, host)
	}
	sortHosts(state.Hosts)
	var ejections []Ejection
	for _, ejection := range l.ejections {
		if ejection.ReadmittedAt.IsZero() || ejection.ReadmittedAt.After(l.from) {
			ejections = append(ejections, ejection)
		}
	}
	return state, ejections
}

// clear begins a phase: nothing is counted yet.
func (l *ledger) clear() {
	l.sum = make(map[hostKey]Host, len(l.last))
	for key, host := range l.last {
		l.sum[key] = host.plus(Host{}, host)
	}
}

// plus returns h with its counters replaced by those of sum plus what h
// counted since last. If any counter of h went back, the proxy had begun anew
// and h counts from zero.
func (h Host) plus(sum, last Host) Host {
	if h.Requests < last.Requests || h.Success < last.Success || h.Errors < last.Errors || h.Timeouts < last.Timeouts ||
		h.Connects < last.Connects {
		last = Host{}
	}
	h.Requests = sum.Requests + h.Requests - last.Requests
	h.Success = sum.Success + h.Success - last.Success
	h.Errors = sum.Errors + h.Errors - last.Errors
	h.Timeouts = sum.Timeouts + h.Timeouts - last.Timeouts
	h.Connects = sum.Connects + h.Connects - last.Connects
	return h
}

// subtract returns how far each counter of later is above that of earlier.
// A counter that went back, or that earlier does not have, counts from zero.
// Without either side nothing is known, and the result is nil.
func subtract(later, earlier map[string]uint64) map[string]uint64 {
	if later == nil || earlier == nil {
		return nil
	}
	difference := make(map[string]uint64, len(later))
	for name, value := range later {
		if base := earlier[name]; base <= value {
			value -= base
		}
		difference[name] = value
	}
	return difference
}

// sortHosts orders by cluster, then address: Envoy has no order of its own.
func sortHosts(hosts []Host) {
	slices.SortFunc(hosts, func(a, b Host) int {
		return cmp.Or(cmp.Compare(a.Cluster.String(), b.Cluster.String()), cmp.Compare(a.Address, b.Address))
	})
}
