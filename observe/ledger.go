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
	from      time.Time // begin of the phase
	hosts     map[hostKey]*account
	reading   uint64            // number of the latest reading
	stats     map[string]uint64 // counters at the begin of the phase; nil: not known
	ejections []Ejection        // all there were, in the order they were seen
	track     *track            // what became of it over time
}

// account is what a ledger knows of one host.
type account struct {
	last    Host   // as it was last read
	sum     Host   // what was counted in the phase
	reading uint64 // the reading that last had it
	out     int    // its open ejection, by index; -1: it is not out
	points  *points
}

// newLedger begins the first phase with what the proxy had counted until at.
func newLedger(p Proxy, hosts []Host, stats map[string]uint64, at time.Time) *ledger {
	l := &ledger{proxy: p, from: at, stats: stats, hosts: make(map[hostKey]*account, len(hosts)), track: newTrack(at, 0)}
	for _, host := range hosts {
		known := &account{last: host, sum: host.since(host), out: -1}
		l.hosts[host.key()] = known
		l.watchEjection(known, at)
	}
	l.track.counters(stats, at)
	return l
}

// add takes in a reading that was made at the given time.
func (l *ledger) add(hosts []Host, at time.Time) {
	l.reading++
	for i := range hosts {
		host := &hosts[i]
		known := l.hosts[host.key()]
		if known == nil {
			known = &account{reading: l.reading - 1, out: -1}
			l.hosts[host.key()] = known
		}
		if known.reading != l.reading-1 {
			known.last = Host{} // a host that left and comes back counts from zero
		}
		counted := host.since(known.last)
		known.sum = counted.plus(known.sum)
		known.last, known.reading = *host, l.reading
		l.watchEjection(known, at)
		l.track.add(known, counted, at)
	}
}

// watchEjection opens an ejection when a host is out and was not, and closes it
// when the host is back.
func (l *ledger) watchEjection(known *account, at time.Time) {
	host := known.last
	switch {
	case host.Ejected && known.out < 0:
		known.out = len(l.ejections)
		l.ejections = append(l.ejections, Ejection{
			Proxy: l.proxy, Cluster: host.Cluster, Address: host.Address,
			At: at, Errors: known.sum.Errors,
		})
	case !host.Ejected && known.out >= 0:
		l.ejections[known.out].ReadmittedAt = at
		known.out = -1
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
	for _, known := range l.hosts {
		if known.sum.Cluster != (Cluster{}) { // a host that left before the phase has no sum
			state.Hosts = append(state.Hosts, known.sum)
		}
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

// clear begins a phase: nothing is counted yet. Hosts that left are forgotten,
// unless they are out: an ejection outlives its host.
func (l *ledger) clear() {
	for key, known := range l.hosts {
		switch {
		case known.reading == l.reading:
			known.sum = known.last.since(known.last)
		case known.out >= 0:
			known.sum = Host{}
		default:
			delete(l.hosts, key)
		}
	}
}

// since returns h with what its counters say beyond those of last. If any of
// them went back, the proxy had begun anew and h counts from zero.
func (h Host) since(last Host) Host {
	if h.Requests < last.Requests || h.Success < last.Success || h.Errors < last.Errors || h.Timeouts < last.Timeouts ||
		h.Connects < last.Connects || h.FailedConnects < last.FailedConnects {
		return h
	}
	h.Requests -= last.Requests
	h.Success -= last.Success
	h.Errors -= last.Errors
	h.Timeouts -= last.Timeouts
	h.Connects -= last.Connects
	h.FailedConnects -= last.FailedConnects
	return h
}

// plus returns h with the counters of sum added.
func (h Host) plus(sum Host) Host {
	h.Requests += sum.Requests
	h.Success += sum.Success
	h.Errors += sum.Errors
	h.Timeouts += sum.Timeouts
	h.Connects += sum.Connects
	h.FailedConnects += sum.FailedConnects
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
		return cmp.Or(a.Cluster.compare(b.Cluster), cmp.Compare(a.Address, b.Address))
	})
}
