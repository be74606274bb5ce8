package experiments

import (
	"context"
	"slices"
	"time"

	"github.com/faultline-mesh/faultline/injector"
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
	defer t.watch.start("evidence")()
	waiting, cancel := context.WithTimeout(ctx, evidenceBudget)
	defer cancel()
	var found []finding
	for _, h := range t.hops() {
		f := t.finding(h)
		for {
			if err := t.readLogs(ctx, &f, t.report.During); err != nil {
				t.log.Warn("no access log", "error", err)
				break
			}
			if f.complete(t.report) || pause(waiting, 200*time.Millisecond) != nil {
				break
			}
		}
		found = append(found, f)
	}
	if err := t.tellOthers(ctx, found); err != nil {
		return nil, err
	}
	var all []Evidence
	for i := range found {
		e := found[i].evidence(t.report, t.experiment.Load.Header, t.experiment.alpha())
		e.Flags = flagsToward(found[i].fault.On, t.metered)
		e.Unfaulted = found[i].unfaulted(t.report.During)
		all = append(all, e)
	}
	return all, nil
}

// finding is what is known of one fault.
type finding struct {
	hop
	steps    []trace   // what it leaves in logs, with nothing counted
	readings []reading // by proxy that makes it
	unmet    bool      // as many requests come to the hop of a fault on all traffic without the load
	marked   int       // answers of the load that show our response header; -1 where that says nothing of this fault
}

// reading is what the sources say of one fault in one proxy.
type reading struct {
	proxy observe.Proxy

	logged  bool    // its access log has requests of the hop
	reached int     // those, in the fault phase
	steps   []trace // with those of them counted that came to the fault

	counters []int // at most one number: what the filter's counters say; none where they are not exported
	metrics  []int // the same of istio_requests_total
	passed   int   // requests that passed the hop, by the counters of hosts
	others   bool  // those that did not match are not the load's
	before   int   // requests of the baseline that were hit in the same way, at the Upstream site
}

// finding collects what needs no further asking.
func (t *trial) finding(h hop) finding {
	f := finding{hop: h, steps: t.traces(h.index), marked: -1}
	if h.fault.Site == injector.Caller && len(t.experiment.Faults) == 1 {
		f.marked = t.report.During.Load.Marked(t.report.Run)
	}
	alone := t.unshared(h.index, h.makers)
	for _, p := range h.makers {
		r := reading{proxy: p}
		same := func(other observe.Proxy) bool { return other.String() == p.String() }
		if i := slices.IndexFunc(t.report.During.Mesh.Proxies, func(s observe.ProxyState) bool { return same(s.Proxy) }); i >= 0 {
			state := t.report.During.Mesh.Proxies[i]
			r.passed = h.passed(state)
			if slices.ContainsFunc(alone, same) {
				r.counters = counted(state, f.steps)
			}
		}
		if requests := t.metered[p.String()]; slices.ContainsFunc(alone, same) && len(requests) > 0 {
			r.metrics = f.metered(requests)
		}
		f.readings = append(f.readings, r)
	}
	return f
}

// complete reports whether the logs need not be asked again: they show the fault,
// each part of it and, where it hits every request, in each proxy that the load
// passes.
func (f finding) complete(r *Report) bool {
	e := f.fromLogs()
	if e.Fired == 0 || !e.complete() {
		return false
	}
	return !f.hitsAll() || f.accounted(r) || !slices.ContainsFunc(f.readings, func(r reading) bool { return r.passed > 0 && r.hits() == 0 })
}

// hitsAll reports whether the fault hits every request that meets it, all the time.
func (f finding) hitsAll() bool { return len(f.steps) == 1 && f.steps[0].hitsAll() }

// came counts the requests that met the fault in a proxy, by its log.
func (r reading) came() int {
	sum := 0
	for _, step := range r.steps {
		sum += step.came
	}
	return sum
}

// hits counts the requests that it hit, by its log.
func (r reading) hits() int {
	sum := 0
	for _, step := range r.steps {
		for _, n := range step.hit {
			sum += n
		}
	}
	return sum
}

// makers are the proxies in which a fault is made, each once.
func (t *trial) makers(fault int) []observe.Proxy {
	var makers []observe.Proxy
	for _, edit := range t.plan.Edits {
		if edit.Fault != fault || len(edit.Signs) == 0 {
			continue
		}
		for _, s := range sights([]injector.Edit{edit}, t.experiment.Faults, slices.Concat(t.proxies, t.beyond)) {
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
