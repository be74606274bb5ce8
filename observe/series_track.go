package observe

import (
	"math"
	"slices"
	"time"
)

// Bounds of what a Recorder keeps of what went on over time: 32 bytes a point.
const (
	maxPoints    = 200_000 // of all proxies together
	minMaxPoints = 2_000   // of one
)

// track is what became of the hosts of one proxy, over time. It keeps what changed
// and nothing else, and puts neighbours together when it has too many points.
type track struct {
	begin time.Time
	most  int    // points; 0: it keeps none
	step  uint32 // points are so many milliseconds apart; 0: as they were read
	count int    // points there are

	hosts  map[hostKey]*points
	stats  map[string]*statTrack
	gaps   []Gap
	latest time.Time // of the latest reading
}

// points are those of one host.
type points []point

// point is a [Point], small. What does not fit is as much as fits.
type point struct {
	at                                 uint32 // milliseconds since the begin
	requests, errors, timeouts, failed uint32
	active, pending                    uint16
}

// statTrack is a stat over time. Its points are few: it is read once a second.
type statTrack struct {
	StatSeries
	last uint64
}

func newTrack(begin time.Time, most int) *track {
	return &track{begin: begin, latest: begin, most: most, hosts: map[hostKey]*points{}, stats: map[string]*statTrack{}}
}

// share is how many points each of so many proxies may have.
func share(proxies int) int { return max(minMaxPoints, maxPoints/max(proxies, 1)) }

// add takes in what a host was counted since the reading before.
func (t *track) add(known *account, counted Host, at time.Time) {
	if t.most == 0 {
		return
	}
	p := point{
		at:       t.offset(at),
		requests: fit32(counted.Requests), errors: fit32(counted.Errors), timeouts: fit32(counted.Timeouts), failed: fit32(counted.FailedConnects),
		active: fit16(counted.Active), pending: fit16(counted.Pending),
	}
	if known.points == nil {
		if p == (point{at: p.at}) {
			return
		}
		key := counted.key()
		if known.points = t.hosts[key]; known.points == nil { // else it was here before
			known.points = &points{}
			t.hosts[key] = known.points
		}
	}
	if !known.points.add(p, t.step) {
		return
	}
	if t.count++; t.count > t.most {
		t.thin()
	}
}

// add reports whether there is one point more.
func (all *points) add(p point, step uint32) bool {
	if n := len(*all); n > 0 {
		last := &(*all)[n-1]
		if last.active == p.active && last.pending == p.pending && p.requests|p.errors|p.timeouts|p.failed == 0 {
			return false
		}
		if step > 0 && last.at/step == p.at/step {
			last.join(p)
			return false
		}
	} else if p == (point{at: p.at}) {
		return false
	}
	*all = append(*all, p)
	return true
}

// join takes a later point into p.
func (p *point) join(later point) {
	p.at = later.at
	p.requests = fit32(uint64(p.requests) + uint64(later.requests))
	p.errors = fit32(uint64(p.errors) + uint64(later.errors))
	p.timeouts = fit32(uint64(p.timeouts) + uint64(later.timeouts))
	p.failed = fit32(uint64(p.failed) + uint64(later.failed))
	p.active, p.pending = max(p.active, later.active), max(p.pending, later.pending)
}

// thin puts points together until half of the room is free, or each host has one.
func (t *track) thin() {
	for t.count > t.most/2 && t.step < math.MaxUint32/2 {
		t.step = max(2*t.step, 200)
		t.count = 0
		for _, all := range t.hosts {
			thinner := (*all)[:0]
			for _, p := range *all {
				if n := len(thinner); n > 0 && thinner[n-1].at/t.step == p.at/t.step {
					thinner[n-1].join(p)
				} else {
					thinner = append(thinner, p)
				}
			}
			*all = slices.Clip(thinner)
			t.count += len(thinner)
		}
	}
}

// counters takes in stats. Before the first time they count from what they are.
func (t *track) counters(stats map[string]uint64, at time.Time) {
	for name, value := range stats {
		known := t.stats[name]
		if known == nil {
			stat, ok := parseStat(name)
			if !ok {
				continue
			}
			known = &statTrack{StatSeries: stat, last: value}
			if t.latest.After(t.begin) && !stat.Gauge { // it came since
				known.last = 0
			}
			t.stats[name] = known
			if stat.Gauge {
				known.Points = append(known.Points, StatPoint{At: at, Value: value})
				continue
			}
		}
		known.add(value, at)
	}
}

// add takes in a value; a counter that went back began anew.
func (s *statTrack) add(value uint64, at time.Time) {
	const most = 3600
	was := s.last
	s.last = value
	switch {
	case value == was:
		return
	case !s.Gauge && value > was:
		value -= was
	}
	if n := len(s.Points); n >= most { // an hour of changes: from then on the last point takes all
		last := &s.Points[n-1]
		if s.Gauge {
			value = max(value, last.Value)
		} else {
			value += last.Value
		}
		*last = StatPoint{At: at, Value: value}
		return
	}
	s.Points = append(s.Points, StatPoint{At: at, Value: value})
}

// failed notes that a reading failed, and read that one did not.
func (t *track) failed(p Proxy, at time.Time) {
	if n := len(t.gaps); n > 0 && t.gaps[n-1].To.IsZero() {
		return
	}
	const most = 1000
	if n := len(t.gaps); n >= most { // it is a long one
		t.gaps[n-1].To = time.Time{}
		return
	}
	t.gaps = append(t.gaps, Gap{Proxy: p, From: at})
}

func (t *track) read(at time.Time) {
	t.latest = at
	if n := len(t.gaps); n > 0 && t.gaps[n-1].To.IsZero() {
		t.gaps[n-1].To = at
	}
}

// offset is a time as points have it.
func (t *track) offset(at time.Time) uint32 {
	return fit32(uint64(max(0, at.Sub(t.begin).Milliseconds())))
}

func fit32(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }
func fit16(n uint64) uint16 { return uint16(min(n, math.MaxUint16)) }

// series adds what the track has to s.
func (t *track) series(p Proxy, s *Series) {
	for key, all := range t.hosts {
		if len(*all) == 0 {
			continue
		}
		h := HostSeries{Proxy: p, Cluster: key.cluster, Address: key.address, Points: make([]Point, len(*all))}
		for i, one := range *all {
			h.Points[i] = Point{
				At:       t.begin.Add(time.Duration(one.at) * time.Millisecond),
				Requests: uint64(one.requests), Errors: uint64(one.errors), Timeouts: uint64(one.timeouts), FailedConnects: uint64(one.failed),
				Active: uint64(one.active), Pending: uint64(one.pending),
			}
		}
		s.Hosts = append(s.Hosts, h)
	}
	for _, stat := range t.stats {
		one := stat.StatSeries
		one.Proxy, one.Points = p, slices.Clone(stat.Points)
		s.Stats = append(s.Stats, one)
	}
	s.Gaps = append(s.Gaps, t.gaps...)
	s.To = later(s.To, t.latest)
	s.Step = max(s.Step, time.Duration(t.step)*time.Millisecond)
}
