package experiments

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/stats"
	"github.com/faultline-mesh/faultline/observe"
)

// Bounds of the search for evidence. Istio's proxies flush their access logs every
// second.
const (
	evidenceBudget = 3 * time.Second  // for waiting until the logs are written
	readingBudget  = 15 * time.Second // for reading those of all proxies, once
)

// evidence says, for each fault, what shows that it fired. It asks the access
// logs of the proxies that make the fault until they show all of it, then what
// else there is.
func (t *trial) evidence(ctx context.Context) ([]Evidence, error) {
	waiting, cancel := context.WithTimeout(ctx, evidenceBudget)
	defer cancel()
	var all []Evidence
	for i, fault := range t.experiment.Faults {
		e := Evidence{Fault: fault.String()}
		makers, steps := t.makers(i), t.traces(i)
		for {
			if err := t.fromLogs(ctx, &e, makers, steps); err != nil {
				t.log.Warn("no access log", "error", err)
				break
			}
			if e.complete() || pause(waiting, 200*time.Millisecond) != nil {
				break
			}
		}
		if e.Fired == 0 {
			fromCounters(&e, t.report.During, t.unshared(i, makers), steps)
		}
		if e.Fired == 0 {
			fromMarker(&e, fault, len(t.experiment.Faults), steps, t.report)
		}
		if fault.Site == injector.Caller || fault.AllTraffic { // else other traffic of the pods may be among the requests
			e.Off = offShare(e, steps, t.report.During.Alpha())
		}
		all = append(all, e)
	}
	return all, nil
}

// makers are the proxies in which a fault is made, each once.
func (t *trial) makers(fault int) []observe.Proxy {
	var makers []observe.Proxy
	for _, edit := range t.plan.Edits {
		if edit.Fault != fault || len(edit.Signs) == 0 {
			continue
		}
		for _, s := range sights([]injector.Edit{edit}, t.experiment.Faults, t.proxies) {
			known := slices.ContainsFunc(makers, func(p observe.Proxy) bool { return p.String() == s.proxy.String() })
			if !known {
				makers = append(makers, s.proxy)
			}
		}
	}
	return makers
}

// unshared leaves out the proxies that make another fault, too: their counters
// do not tell which of them fired.
func (t *trial) unshared(fault int, makers []observe.Proxy) []observe.Proxy {
	others := map[string]bool{}
	for i := range t.experiment.Faults {
		if i == fault {
			continue
		}
		for _, p := range t.makers(i) {
			others[p.String()] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(makers), func(p observe.Proxy) bool { return others[p.String()] })
}

// fromLogs counts in the makers' access logs. At the Caller site every request
// that came to the fault names our route, so the share is known.
func (t *trial) fromLogs(ctx context.Context, e *Evidence, makers []observe.Proxy, steps []trace) error {
	ctx, cancel := context.WithTimeout(ctx, readingBudget)
	defer cancel()
	counted := fresh(steps)
	for _, proxy := range makers {
		log, err := t.mesh.Logs(ctx, proxy, t.report.During.From)
		if err != nil {
			return err
		}
		for _, h := range parseAccessLog(log) {
			for n := range counted {
				counted[n].count(h)
			}
		}
	}
	*e = Evidence{Fault: e.Fault}
	for n := range counted {
		e.add(counted[n])
	}
	if e.Fired > 0 {
		e.Source = "access log"
	}
	return nil
}

// fromCounters reads the fault filters' own counters, which Istio's proxies do
// not export unless told to (its setting proxyStatsMatcher).
func fromCounters(e *Evidence, during Phase, makers []observe.Proxy, steps []trace) {
	counters := countersOf(steps)
	fired := 0
	for _, state := range during.Mesh.Proxies {
		if !slices.ContainsFunc(makers, func(p observe.Proxy) bool { return p.String() == state.Proxy.String() }) {
			continue
		}
		for name, n := range state.Stats {
			if slices.ContainsFunc(counters, func(c string) bool { return strings.HasSuffix(name, ".fault."+c) }) {
				fired += int(n)
			}
		}
	}
	if fired > 0 {
		*e = Evidence{Fault: e.Fault, Source: "fault counters", Fired: fired}
	}
}

// fromMarker counts the answers that carry our response header. They say that a
// request took a route of the fault, which means that it was hit only where the
// fault hits every request on it, all the time, and is the only one.
func fromMarker(e *Evidence, fault injector.Fault, faults int, steps []trace, r *Report) {
	if fault.Site != injector.Caller || faults > 1 || len(steps) != 1 || !steps[0].hitsAll() {
		return
	}
	if n := r.During.Load.Marked(r.Run); n > 0 {
		*e = Evidence{Fault: e.Fault, Source: "response header", Fired: n}
	}
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

func offPart(text string, fired, of int, percent, alpha float64) string {
	switch {
	case of == 0 || fired == 0 || percent == 0 || !stats.Rejects(of, fired, percent/100, alpha):
		return ""
	case percent == 100:
		return text + ", though it hits every request that meets it"
	}
	low, high := stats.Interval(of, fired, alpha)
	return fmt.Sprintf("%s, which is between %.2f%% and %.2f%% of them and cannot be %v%%", text, 100*low, 100*high, percent)
}
