package experiments

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

// trace is what a fault, or one step of its ramp, leaves in access logs: which
// requests came to it, and by which signs those are told that it hit.
type trace struct {
	step     string          // which step of the ramp, such as "step 1 (5%)"; empty without one
	routes   []string        // names of the routes that make the fault; none at the Upstream site
	from, to time.Time       // when requests counted began
	signs    []injector.Sign // one for each part of the effect

	came int   // requests that came to it
	hit  []int // of those, by sign
}

// traces are what a fault left in the fault phase, by the steps of its ramp. At
// the Caller site each step has routes of its own. At the Upstream site the
// steps are told by their times, and shares of steps cannot be told: a proxy
// whose listener changed serves one more request on each old connection.
func (t *trial) traces(fault int) []trace {
	during := t.report.During
	steps := t.steps
	if len(steps) == 0 {
		steps = []step{{edits: t.plan.Edits}}
	}
	rises := len(t.experiment.Faults[fault].Ramp) > 0
	if !rises {
		steps = steps[len(steps)-1:] // its edits stayed as they were
	}
	var all []trace
	for n, s := range steps {
		one := trace{from: during.From.Truncate(time.Millisecond), to: during.To}
		for _, edit := range s.edits {
			if edit.Fault != fault || len(edit.Signs) == 0 {
				continue
			}
			one.routes, one.signs = append(one.routes, edit.Routes...), slices.Clone(edit.Signs)
		}
		if rises {
			one.step = fmt.Sprintf("step %d (%v%%)", n+1, t.experiment.Faults[fault].Step(n).Percent())
		}
		if rises && len(one.routes) == 0 {
			one.between(steps, n)
		}
		all = append(all, one)
	}
	return fresh(all)
}

// between limits the trace to the time in which the n-th step was in force.
func (t *trace) between(steps []step, n int) {
	if n > 0 {
		t.from = steps[n].inForce
	}
	if n+1 < len(steps) {
		t.to = steps[n+1].began
	}
	for i := range t.signs {
		t.signs[i].Percent = 0
	}
}

// fresh returns the traces with nothing counted yet.
func fresh(traces []trace) []trace {
	traces = slices.Clone(traces)
	for n := range traces {
		traces[n].came, traces[n].hit = 0, make([]int, len(traces[n].signs))
	}
	return traces
}

// count takes in a logged request.
func (t *trace) count(h hit) {
	if h.at.Before(t.from) || h.at.After(t.to) || !h.met(t.routes) {
		return
	}
	t.came++
	for n, sign := range t.signs {
		if sign.ShownBy(h.flags, h.id) {
			t.hit[n]++
		}
	}
}

// hitsAll reports whether every request that comes to the fault is hit.
func (t *trace) hitsAll() bool {
	return len(t.signs) == 1 && t.signs[0].Percent >= 100 && t.signs[0].ID == nil
}

// add takes what a trace counted into the evidence.
func (e *Evidence) add(t trace) {
	e.Of += t.came
	for n, sign := range t.signs {
		e.Fired += t.hit[n]
		if text := strings.TrimLeft(t.step+", "+sign.Part, ", "); t.step != "" || sign.Part != "" {
			e.Parts = append(e.Parts, Part{Name: strings.TrimRight(text, ", "), Fired: t.hit[n], Of: t.came})
		}
	}
}

// complete reports whether the fault fired, and each part of it.
func (e *Evidence) complete() bool {
	return e.Fired > 0 && !slices.ContainsFunc(e.Parts, func(p Part) bool { return p.Fired == 0 })
}

// countersOf are the counters of Envoy's fault filter that the fault raises.
func countersOf(traces []trace) []string {
	var counters []string
	for _, t := range traces {
		for _, sign := range t.signs {
			if sign.Counter != "" {
				counters = append(counters, sign.Counter)
			}
		}
	}
	return counters
}

// met reports whether a logged request came to where the fault is made: to one of
// its routes or, without any, into the pod.
func (h hit) met(routes []string) bool {
	if len(routes) == 0 {
		return strings.HasPrefix(h.cluster, "inbound|")
	}
	return slices.ContainsFunc(routes, func(name string) bool { return injector.NamesRoute(h.route, name) })
}
