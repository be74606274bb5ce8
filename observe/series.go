package observe

import (
	"cmp"
	"slices"
	"time"
)

// Series is how what some proxies counted went over time, as a [Recorder] read
// it. All times are of the clock of this process, those of the readings. It says
// by its fields what a proxy always tells and what it may not: Hosts come from
// counters that every Envoy keeps, so that a host that is not among them was sent
// nothing; Stats come from what a proxy exports, and a stat that is not among them
// is not known, which is not zero. A default Istio exports none of them but those
// of routes with a statPrefix; see its setting proxyStatsMatcher.
//
// Points where nothing changed are left out. If there are too many, neighbours are
// put together, and Step says how far apart they are at least. The zero Series is
// empty.
type Series struct {
	From, To  time.Time     // of the first and the last reading
	Step      time.Duration // the readings' interval, or more where points were put together
	Hosts     []HostSeries  // by proxy, cluster and address; only hosts that were sent something
	Stats     []StatSeries  // by proxy and name; only what the proxies export
	Ejections []Ejection    // all that were noticed, by time
	Gaps      []Gap         // by time; when proxies could not be read
}

// HostSeries is how one host fared, as one proxy counts it.
type HostSeries struct {
	Proxy   Proxy
	Cluster Cluster
	Address string  // ip:port
	Points  []Point // by time
}

// Point is what a host's counters rose by since the point before, or the begin of
// the series. A proxy that began anew counts from zero: what it had not told
// before is lost.
type Point struct {
	At             time.Time // to the millisecond
	Requests       uint64    // as in [Host]: each try counts
	Errors         uint64
	Timeouts       uint64
	FailedConnects uint64
	Active         uint64 // requests on their way, the most that was read
	Pending        uint64 // requests that wait for a connection, the most that was read
}

// StatSeries is a stat that one proxy exports. It is read once a second, and where
// a phase ends.
type StatSeries struct {
	Proxy   Proxy
	Name    string  // as Envoy writes it
	Cluster Cluster // whose it is; zero for a route's
	Route   string  // statPrefix of the route whose it is; empty for a cluster's
	Stat    string  // such as upstream_rq_retry, upstream_rq_pending_overflow, circuit_breakers.default.rq_open
	Gauge   bool    // its values are of their times, not what was counted since the point before
	Points  []StatPoint
}

// StatPoint is a value of a stat.
type StatPoint struct {
	At    time.Time
	Value uint64
}

// Total returns what a counter rose by in all; for a gauge, its largest value.
func (s StatSeries) Total() uint64 {
	var total uint64
	for _, p := range s.Points {
		if s.Gauge {
			total = max(total, p.Value)
		} else {
			total += p.Value
		}
	}
	return total
}

// Gap is a time in which a proxy could not be read. What it counted meanwhile is
// in the point after.
type Gap struct {
	Proxy    Proxy
	From, To time.Time // of the first reading that failed and the first that did not; To is zero while none did
}

// Between returns the part of s after one time and up to another, such as those of
// a [Change]: a reading counts for the time before it. Hosts and stats without
// a point in it are left out.
func (s Series) Between(from, to time.Time) Series {
	within := func(at time.Time) bool { return at.After(from) && !at.After(to) }
	part := Series{From: later(s.From, from), To: earlier(s.To, to), Step: s.Step}
	for _, h := range s.Hosts {
		if h.Points = kept(h.Points, func(p Point) bool { return within(p.At) }); len(h.Points) > 0 {
			part.Hosts = append(part.Hosts, h)
		}
	}
	for _, stat := range s.Stats {
		if stat.Points = kept(stat.Points, func(p StatPoint) bool { return within(p.At) }); len(stat.Points) > 0 {
			part.Stats = append(part.Stats, stat)
		}
	}
	part.Ejections = kept(s.Ejections, func(e Ejection) bool {
		return !e.At.After(to) && (e.ReadmittedAt.IsZero() || !e.ReadmittedAt.Before(from))
	})
	part.Gaps = kept(s.Gaps, func(g Gap) bool { return !g.From.After(to) && (g.To.IsZero() || !g.To.Before(from)) })
	return part
}

// sort brings s into its order.
func (s *Series) sort() {
	slices.SortFunc(s.Hosts, func(a, b HostSeries) int {
		return cmp.Or(cmp.Compare(a.Proxy.key(), b.Proxy.key()), a.Cluster.compare(b.Cluster), cmp.Compare(a.Address, b.Address))
	})
	slices.SortFunc(s.Stats, func(a, b StatSeries) int {
		return cmp.Or(cmp.Compare(a.Proxy.key(), b.Proxy.key()), cmp.Compare(a.Name, b.Name))
	})
	slices.SortStableFunc(s.Gaps, func(a, b Gap) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Proxy.key(), b.Proxy.key())) })
	sortEjections(s.Ejections)
}

func kept[T any](all []T, keep func(T) bool) []T {
	var some []T
	for _, one := range all {
		if keep(one) {
			some = append(some, one)
		}
	}
	return some
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
