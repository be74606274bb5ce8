package experiments

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/stats"
)

// evidence is what the finding comes to.
func (f finding) evidence(r *Report, header map[string]string, alpha float64) Evidence {
	e := f.fromLogs()
	e.Sources = f.sources()
	e.Conflict = conflict(e.Sources)
	if e.Fired == 0 {
		f.otherwise(&e)
	}
	if f.fault.Site == injector.Caller || f.fault.AllTraffic { // else other traffic of the pods may be among the requests
		e.Off = offShare(e, f.steps, alpha)
	}
	e.headers, e.unsent = f.fault.Headers, unsent(f.fault, header)
	e.Proxies = f.firings(alpha)
	e.Arrived = f.arrived(e, r.During)
	for _, one := range f.readings {
		e.Before += one.before
	}
	e.Unmet = f.unmet
	return e
}

// otherwise takes what other sources than the logs show. A log that shows
// requests of the hop, and none of the fault's, is contradicted only by answers
// that carry our own header: counters count for everybody.
func (f finding) otherwise(e *Evidence) {
	for _, s := range e.Sources {
		contradicted := e.Conflict != "" && s.Name != sourceMarker
		if s.Name != sourceLog && s.Fired > 0 && !contradicted {
			*e = Evidence{Fault: e.Fault, Source: s.Name, Fired: s.Fired, Sources: e.Sources, Conflict: e.Conflict}
			return
		}
	}
}

// firings say what each proxy did that requests came to.
func (f finding) firings(alpha float64) []Firing {
	var all []Firing
	for _, r := range f.readings {
		if one := f.firing(r, alpha); one.Reached > 0 || one.Fired > 0 {
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b Firing) int { return b.Reached - a.Reached })
	return all
}

// firing is what one proxy did. Its log tells most. Without one, what other
// sources say of a fault that hits every request that meets it, and that those
// requests which such an abort or blackhole let pass did not meet it.
func (f finding) firing(r reading, alpha float64) Firing {
	one := Firing{Proxy: r.proxy.String(), Reached: r.passed, Others: r.others}
	switch others := slices.Concat(r.counters, r.metrics); {
	case r.logged:
		one.Reached, one.Fired, one.known = r.reached, r.hits(), true
		one.Matched = r.came()
		if f.fault.Site == injector.Upstream { // the log has every request of the pod
			one.Matched = one.Fired
			one.known = f.hitsAll() || one.Fired == 0 && stats.Rejects(r.came(), 0, f.asked()/100, alpha)
		}
	case len(others) > 0 && f.hitsAll():
		one.Fired, one.known = slices.Max(others), true
		one.Matched = one.Fired
		if f.stops() {
			one.Reached += one.Fired
		}
	case f.stops() && f.hitsAll():
		one.known = true // of those that passed, no more
	}
	return one
}

// asked is the share of the requests that the fault hits, 0-100: with a ramp, at
// least.
func (f finding) asked() float64 {
	if len(f.fault.Ramp) > 0 {
		return f.fault.Ramp[0]
	}
	sum := 0.0
	for _, sign := range f.steps[len(f.steps)-1].signs {
		sum += sign.Percent
	}
	return min(sum, 100)
}

// stops reports whether requests that the fault hits go no further.
func (f finding) stops() bool {
	return !slices.ContainsFunc(f.steps, func(t trace) bool {
		return slices.ContainsFunc(t.signs, func(s injector.Sign) bool { return !s.Ends })
	})
}

// Bounds below which requests that did not match are not held against a run:
// those of others that come once in a while.
const (
	fewRequests = 5    // of one proxy, and
	fewShare    = 0.05 // of the requests that came to the hop
)

// silent are the proxies that requests of the load came to without that the
// fault fired on any of them, though it hits every one that it is for.
func (e Evidence) silent() []Firing {
	var all []Firing
	for _, p := range e.Proxies {
		few := p.Reached < fewRequests && float64(p.Reached) < fewShare*float64(e.reached())
		if p.known && p.Fired == 0 && p.Reached > 0 && !p.Others && !few {
			all = append(all, p)
		}
	}
	return all
}

// reached counts the requests that came to the hop.
func (e Evidence) reached() int {
	sum := 0
	for _, p := range e.Proxies {
		sum += p.Reached
	}
	return sum
}

// String renders what a proxy did as a clause.
func (p Firing) String() string { return fmt.Sprintf("%s: %d of %d", p.Proxy, p.Matched, p.Reached) }

func firingsText(all []Firing) string {
	var texts []string
	for _, one := range all {
		texts = append(texts, one.String())
	}
	return listed(texts, 4)
}

// sourcesText lists the sources, and what each of them counted.
func (e Evidence) sourcesText() string {
	var texts []string
	for _, s := range e.Sources {
		switch {
		case s.Fired == 0 && s.Name == sourceMarker:
			texts = append(texts, fmt.Sprintf("%s: on %d answers", s.Name, s.Of))
		case s.Of > 0:
			texts = append(texts, fmt.Sprintf("%s: %d of %d", s.Name, s.Fired, s.Of))
		default:
			texts = append(texts, fmt.Sprintf("%s: %d", s.Name, s.Fired))
		}
	}
	return strings.Join(texts, ", ")
}
