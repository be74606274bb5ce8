package experiments

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/stats"
	"github.com/faultline-mesh/faultline/observe"
)

// Names of the sources of evidence.
const (
	sourceLog      = "access log"
	sourceCounters = "fault counters"
	sourceMetrics  = "request metrics"
	sourceMarker   = "response header"
)

// counted reads the fault filters' own counters of a proxy, which Istio's proxies
// do not export unless told to (its setting proxyStatsMatcher). It is empty
// where they are not exported.
func counted(state observe.ProxyState, steps []trace) []int {
	counters := countersOf(steps)
	sum, exported := 0, false
	for name, n := range state.Stats {
		if slices.ContainsFunc(counters, func(c string) bool { return strings.HasSuffix(name, ".fault."+c) }) {
			sum, exported = sum+int(n), true
		}
	}
	if !exported {
		return nil
	}
	return []int{sum}
}

// metered counts the requests whose response flags show the fault, of what a
// proxy counted in the fault phase; it is empty where flags do not tell.
func (f finding) metered(requests observe.Requests) []int {
	sum, flagged := 0, false
	for _, step := range f.steps[len(f.steps)-1:] { // those before have the same signs
		for _, sign := range step.signs[:min(1, len(step.signs))] {
			flagged = len(sign.Flags) > 0
			sum = requests.Sum(func(s observe.RequestSeries) bool { return s.Has(sign.Flags...) && f.reports(s, sign.Host) })
		}
	}
	if !flagged {
		return nil
	}
	return []int{sum}
}

// reports says whether a series is of requests that met the fault: in the pod, on
// the way to the service, or to a host of the run's own.
func (f finding) reports(s observe.RequestSeries, host string) bool {
	switch {
	case f.fault.Site == injector.Upstream:
		return s.Reporter == observe.ReportedByDestination
	case host != "":
		return s.Service == host
	}
	return s.Reporter == observe.ReportedBySource && observe.Cluster{Direction: observe.Outbound, Service: s.Service}.Serves(serviceName(f.fault.On))
}

// sources are those that spoke, the strongest first.
func (f finding) sources() []Source {
	var all []Source
	logs := f.fromLogs()
	if slices.ContainsFunc(f.readings, func(r reading) bool { return r.logged }) {
		all = append(all, Source{sourceLog, logs.Fired, logs.Of})
	}
	for _, other := range []struct {
		name string
		of   func(reading) []int
	}{
		{sourceCounters, func(r reading) []int { return r.counters }},
		{sourceMetrics, func(r reading) []int { return r.metrics }},
	} {
		sum, spoke := 0, false
		for _, r := range f.readings {
			for _, n := range other.of(r) {
				sum, spoke = sum+n, true
			}
		}
		if spoke {
			all = append(all, Source{Name: other.name, Fired: sum})
		}
	}
	switch {
	case f.marked > 0 && f.hitsAll():
		all = append(all, Source{Name: sourceMarker, Fired: f.marked})
	case f.marked > 0: // that a request took a route of the fault does not mean that it was hit
		all = append(all, Source{Name: sourceMarker, Of: f.marked})
	}
	return all
}

// conflict says where sources contradict each other. Counters count for everybody,
// so that they may well say more than the logs say of this fault, but not less.
func conflict(sources []Source) string {
	i := slices.IndexFunc(sources, func(s Source) bool { return s.Name == sourceLog })
	if i < 0 {
		return ""
	}
	log := sources[i]
	for _, s := range sources {
		switch {
		case log.Fired == 0 && s.Fired > 0:
			return fmt.Sprintf("the access log shows 0 requests that the fault hit, and the %s %d", s.from(), s.Fired)
		case s.Name != sourceMarker && s.Fired < log.Fired-max(2, log.Fired/20):
			return fmt.Sprintf("the access log shows %d requests that the fault hit, and the %s only %d", log.Fired, s.from(), s.Fired)
		}
	}
	return ""
}

// from names a source in the middle of a sentence.
func (s Source) from() string {
	if s.Name == sourceMetrics {
		return s.Name + " (istio_requests_total)"
	}
	return s.Name
}

// offShare compares the shares of the requests that were hit with the percent
// that was asked, by the exact binomial interval: Envoy draws for each request
// on its own.
func offShare(e Evidence, steps []trace, alpha float64) string {
	var asked []float64 // of each part, in the order of e.Parts
	for _, step := range steps {
		for _, sign := range step.signs {
			asked = append(asked, sign.Percent)
		}
	}
	if len(asked) == 1 {
		return offPart(e.String(), e.Fired, e.Of, asked[0], alpha)
	}
	for n, part := range e.Parts {
		text := fmt.Sprintf("%s: %s (%s)", e.Fault, part, e.Source)
		if off := offPart(text, part.Fired, part.Of, asked[n], alpha); off != "" {
			return off
		}
	}
	return ""
}

// offNext is what to do then.
const offNext = "; look for another route, another fault or an old configuration that answers for these requests"

func offPart(text string, fired, of int, percent, alpha float64) string {
	switch {
	case of == 0 || fired == 0 || percent == 0 || !stats.Rejects(of, fired, percent/100, alpha):
		return ""
	case percent == 100:
		return text + ", though it hits every request that meets it" + offNext
	}
	low, high := stats.Interval(of, fired, alpha)
	return fmt.Sprintf("%s, which is between %.2f%% and %.2f%% of them and cannot be %v%%%s", text, 100*low, 100*high, percent, offNext)
}
