// The rows of the verdict's table, in its order.

package experiments

import (
	"fmt"
	"slices"
	"strings"
)

func haltMatched(o outcome) string {
	if o.halted == "" {
		return ""
	}
	return "halted: " + strings.TrimPrefix(o.halted, "halted: ")
}

func cutShort(o outcome) string {
	if o.interrupted == nil {
		return ""
	}
	return fmt.Sprintf("the run was not completed: %v", o.interrupted)
}

func baselineNotGood(o outcome) string {
	for _, check := range o.Baseline.Checks {
		if !check.Held {
			text := "the baseline was not good, so nothing was injected: " + check.Text
			if check.NoSamples {
				text += "; make settle longer or raise load.rate"
			}
			return text
		}
	}
	return ""
}

func baselineUnanswered(o outcome) string {
	if o.Baseline.Load.Requests() > 0 {
		return ""
	}
	return "no request was answered in the baseline, so nothing was injected; is the load's URL right?"
}

func baselineLate(o outcome) string {
	if late := lateSender(o, o.Baseline); late != "" {
		return "nothing was injected, because " + late
	}
	return ""
}

// nobodyToShow applies whenever there are faults and no proxy is known to make
// them, so also to a report in which nobody has looked.
func nobodyToShow(o outcome) string {
	switch {
	case len(o.asked.Faults) == 0 || o.Injected.Proxies > 0:
		return ""
	case len(o.Injected.Late) == 0:
		return "no proxy is known to show the fault: none was looked at"
	}
	return "no proxy is known to show the fault: " + strings.Join(o.Injected.Late, "; ")
}

func lateToShow(o outcome) string {
	return late(o.Injected, "show the fault in time", "ask istioctl proxy-status and istiod's log what they wait for")
}

func lateToStep(o outcome) string {
	for n, step := range o.Ramp {
		what := fmt.Sprintf("show step %d of the ramp in time", n+1)
		if text := late(step.Convergence, what, "ask istioctl proxy-status and istiod's log what they wait for"); text != "" {
			return text
		}
	}
	return ""
}

func lost(o outcome) string {
	return late(o.Kept, "keep the fault to the end of its phase (did somebody take it out?)",
		"look for what else changed these routes or pods meanwhile, and repeat the run")
}

func lateToDrop(o outcome) string {
	return late(o.Reverted, "drop the fault in time",
		"the objects are clean, so ask istioctl proxy-status and istiod's log what the proxies wait for")
}

// late says which proxies did not do what a change of the mesh asks of them.
func late(c Convergence, what, next string) string {
	switch n := len(c.Late); {
	case n == 0:
		return ""
	case c.Proxies == 0:
		return fmt.Sprintf("no proxy is known to %s: %s; %s", what, strings.Join(c.Late, "; "), next)
	default:
		return fmt.Sprintf("%d of %d proxies did not %s: %s; %s", n, c.Proxies, what, strings.Join(c.Late, "; "), next)
	}
}

func duringUnanswered(o outcome) string {
	if o.During.Load.Requests() > 0 {
		return ""
	}
	return "no request was sent during the fault phase; make it longer or raise load.rate"
}

// unfired also applies when a fault was not looked for.
func unfired(o outcome) string {
	for _, e := range o.Evidence {
		if e.Fired == 0 {
			return fmt.Sprintf("nothing shows that the fault fired (%s): no answer carried the header x-faultline-run, "+
				"and neither the fault counters nor the access logs of the proxies show it; let the apps forward the request "+
				"headers baggage or x-faultline-run, and enable the proxies' access log", e.Fault)
		}
	}
	if asked := len(o.asked.Faults); len(o.Evidence) < asked {
		return fmt.Sprintf("nothing shows that the fault fired: evidence was looked for of %d of %d faults", len(o.Evidence), asked)
	}
	return ""
}

func partUnfired(o outcome) string {
	for _, e := range o.Evidence {
		if n := slices.IndexFunc(e.Parts, func(p Part) bool { return p.Fired == 0 }); n >= 0 {
			return fmt.Sprintf("nothing shows that all of the fault fired (%s): %s (%s); make the phase longer or raise load.rate",
				e.Fault, e.Parts[n], e.Source)
		}
	}
	return ""
}

func firedOff(o outcome) string {
	for _, e := range o.Evidence {
		if e.Off != "" {
			return e.Off
		}
	}
	return ""
}

func senderLate(o outcome) string {
	for _, phase := range []Phase{o.During, o.Recovery} {
		if late := lateSender(o, phase); late != "" {
			return late
		}
	}
	return ""
}

func recoveryUnanswered(o outcome) string {
	if o.Recovery.Load.Requests() > 0 {
		return ""
	}
	return "no request was answered in the recovery, so nobody knows whether the mesh recovered; make recovery longer or raise load.rate"
}

func notHeld(o outcome) string {
	for _, phase := range []Phase{o.During, o.Recovery} {
		for _, check := range phase.Checks {
			if !check.Held && !check.Open() {
				return fmt.Sprintf("%s: %s", phase.Name, check.Text)
			}
		}
	}
	return ""
}

func tooFew(o outcome) string {
	for _, phase := range []Phase{o.During, o.Recovery} {
		for _, check := range phase.Checks {
			if check.NoSamples {
				return fmt.Sprintf("%s: too few samples to judge: %s; a longer phase or a higher load.rate gives more", phase.Name, check.Text)
			}
		}
	}
	return ""
}

func misused(o outcome) string {
	for _, phase := range []Phase{o.During, o.Recovery} {
		for _, check := range phase.Checks {
			if !check.Held && check.Open() {
				return fmt.Sprintf("%s: a matcher cannot judge: %s", phase.Name, check.Text)
			}
		}
	}
	return ""
}

func nothingAsked(o outcome) string {
	if len(o.During.Checks)+len(o.Recovery.Checks) > 0 {
		return ""
	}
	return "no matcher was asked about the fault phase or the recovery, so there is nothing that could have held; say in during or recovered what should"
}
