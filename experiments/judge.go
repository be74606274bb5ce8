package experiments

import (
	"fmt"
	"slices"
	"strings"
)

// judge draws the verdict from a report: a pure function, one row of the table
// in docs/verdicts.md after the other. interrupted is why the run could not be
// completed, or nil.
func judge(r *Report, halted string, interrupted error) (Verdict, string) {
	switch {
	case halted != "":
		return Halted, "halted: " + strings.TrimPrefix(halted, "halted: ")
	case interrupted != nil:
		return Inconclusive, fmt.Sprintf("the run was not completed: %v", interrupted)
	}
	if reason := unproven(r); reason != "" {
		return Inconclusive, reason
	}
	for _, phase := range []Phase{r.During, r.Recovery} {
		for _, check := range phase.Checks {
			if !check.Held && !check.NoSamples && !check.misused {
				return Deviated, fmt.Sprintf("%s: %s", phase.Name, check.Text)
			}
		}
	}
	if reason := open(r); reason != "" {
		return Inconclusive, reason
	}
	return Held, held(r)
}

// unproven returns why the run proves nothing, whatever its matchers say.
func unproven(r *Report) string {
	if reason := unhealthy(r.Baseline); reason != "" {
		return reason
	}
	if reason := lagging(r); reason != "" {
		return reason
	}
	if r.During.Load.Requests() == 0 {
		return "no request was sent during the fault phase; make it longer or raise load.rate"
	}
	return unfired(r.Evidence)
}

// lagging returns which proxies did not show what they should when they should,
// or nothing.
func lagging(r *Report) string {
	type change struct {
		c          Convergence
		what, when string
	}
	changes := []change{{r.Injected, "show the fault", " in time"}}
	for n, step := range r.Ramp {
		changes = append(changes, change{step.Convergence, fmt.Sprintf("show step %d of the ramp", n+1), " in time"})
	}
	changes = append(changes,
		change{r.Kept, "keep the fault", " to the end of its phase (did somebody take it out?)"},
		change{r.Reverted, "drop the fault", " in time"})
	for _, late := range changes {
		switch n := len(late.c.Late); {
		case n > 0 && late.c.Proxies == 0:
			return fmt.Sprintf("no proxy is known to %s: %s", late.what, strings.Join(late.c.Late, "; "))
		case n > 0:
			return fmt.Sprintf("%d of %d proxies did not %s%s: %s", n, late.c.Proxies, late.what, late.when, strings.Join(late.c.Late, "; "))
		}
	}
	return ""
}

// unfired returns which fault, or part of one, is not known to have fired, or
// not as was asked.
func unfired(evidence []Evidence) string {
	for _, e := range evidence {
		switch {
		case e.Fired == 0:
			return fmt.Sprintf("nothing shows that the fault fired (%s): no answer carried the header x-faultline-run, "+
				"and neither the fault counters nor the access logs of the proxies show it; let the apps forward the request "+
				"headers baggage or x-faultline-run, and enable the proxies' access log", e.Fault)
		case !e.complete():
			idle := e.Parts[slices.IndexFunc(e.Parts, func(p Part) bool { return p.Fired == 0 })]
			return fmt.Sprintf("nothing shows that all of the fault fired (%s): %s (%s); make the phase longer or raise load.rate",
				e.Fault, idle, e.Source)
		case e.Off != "":
			return e.Off
		}
	}
	return ""
}

// unhealthy returns why the baseline is no ground to stand on, or nothing.
func unhealthy(baseline Phase) string {
	for _, check := range baseline.Checks {
		if !check.Held {
			return fmt.Sprintf("the baseline was not good, so nothing was injected: %s", check.Text)
		}
	}
	if baseline.Load.Requests() == 0 {
		return "no request was answered in the baseline, so nothing was injected; is the load's URL right?"
	}
	return ""
}

// open returns why a matcher gave no answer, if one did not.
func open(r *Report) string {
	for _, phase := range []Phase{r.During, r.Recovery} {
		for _, check := range phase.Checks {
			switch {
			case check.NoSamples:
				return fmt.Sprintf("%s: too few samples to judge: %s", phase.Name, check.Text)
			case !check.Held:
				return fmt.Sprintf("%s: a matcher cannot judge: %s", phase.Name, check.Text)
			}
		}
	}
	return ""
}

// held sums up a success.
func held(r *Report) string {
	checks := len(r.Baseline.Checks) + len(r.During.Checks) + len(r.Recovery.Checks)
	text := []string{fmt.Sprintf("all %d checks held", checks)}
	if len(r.Evidence) > 0 {
		text[0] += fmt.Sprintf(", with the fault in force on %d of %d proxies", r.Injected.Proxies, r.Injected.Proxies)
	}
	for _, e := range r.Evidence {
		text = append(text, e.String())
	}
	return strings.Join(text, "; ")
}

// String renders the evidence as a clause.
func (e Evidence) String() string {
	text := fmt.Sprintf("%s fired %d times (%s)", e.Fault, e.Fired, e.Source)
	if e.Of > 0 {
		text = fmt.Sprintf("%s fired on %d of %d requests (%s)", e.Fault, e.Fired, e.Of, e.Source)
	}
	for n, p := range e.Parts {
		text += [2]string{": ", ", "}[min(n, 1)] + p.String()
	}
	return text
}

// String renders the part as a clause, such as "2s on 5%: 12 of 240".
func (p Part) String() string { return fmt.Sprintf("%s: %d of %d", p.Name, p.Fired, p.Of) }
