package preflight

import (
	"fmt"
	"slices"

	"github.com/faultline-mesh/faultline/injector"
)

// most returns how many hosts a caller's proxy can have out at once by all the
// routes of a hop. known is false when the objects do not tell.
func (h Hop) most() (count int, known bool) {
	seen := map[string]bool{}
	known = true
	for _, r := range h.Routes {
		for _, d := range r.Destination {
			cluster := fmt.Sprint(d.Host, d.Subset, d.Port)
			if d.Host != h.To.Host || seen[cluster] {
				continue
			}
			seen[cluster] = true
			count += d.Policy.Ejection.Most(d.Policy.Hosts)
			known = known && (d.Policy.HostsKnown || d.Policy.Ejection == nil)
		}
	}
	return count, known
}

// ejectionImpossible finds claims of more ejections than there can be at once.
func ejectionImpossible(c *check) []Finding {
	var all []Finding
	for _, claimed := range c.Claims {
		wanted, ejects := ejections(claimed)
		if !ejects {
			continue
		}
		for _, s := range c.named(claimed.Service) {
			hops := c.hopsAt(s)
			if len(hops) == 0 || slices.ContainsFunc(hops, func(h Hop) bool {
				most, known := h.most()
				return !known || most >= wanted || !h.ejects()
			}) {
				continue
			}
			all = append(all, Finding{
				Refused: true, Field: claimed.Field, Object: objectsOf(hops, "DestinationRule"),
				Text: impossible(hops[0], s, wanted),
			})
		}
	}
	return append(all, c.tooFewPods()...)
}

// ejects says whether anything takes hosts out on the hop.
func (h Hop) ejects() bool {
	return slices.ContainsFunc(h.Routes, func(r Route) bool {
		return slices.ContainsFunc(r.Destination, func(d Destination) bool { return d.Policy.Ejection != nil })
	})
}

// impossible says why so many hosts cannot be out at once, and what would do.
func impossible(h Hop, s *Service, wanted int) string {
	for _, r := range h.Routes {
		for _, d := range r.Destination {
			if d.Policy.Ejection == nil {
				continue
			}
			hosts, limit := d.Policy.Hosts, d.Policy.Ejection.MaxPercent
			whose := s.String()
			if d.Subset != "" {
				whose = "subset " + d.Subset + " of " + whose
			}
			standard := ""
			if d.Policy.Ejection.Written.GetMaxEjectionPercent() == 0 {
				standard = ", which is what it is when it is not set"
			}
			if hosts < wanted {
				return fmt.Sprintf("asserts that %s ejected, and %s has %s. Claim fewer, or run more pods.", areText(wanted), whose, plural(hosts, "host"))
			}
			amounts := "none"
			if most := d.Policy.Ejection.Most(hosts); most > 0 {
				amounts = plural(most, "host")
			}
			return fmt.Sprintf("asserts that %s ejected, and maxEjectionPercent is %d%s: %d%% of the %s of %s is %s. "+
				"Set maxEjectionPercent to %d or more, or run more pods (%d of them).",
				areText(wanted), limit, standard, limit, plural(hosts, "host"), whose, amounts, percentFor(wanted, hosts), (100*wanted+limit-1)/limit)
		}
	}
	return ""
}

func areText(n int) string {
	if n == 1 {
		return "1 host is"
	}
	return fmt.Sprintf("%d hosts are", n)
}

// tooFewPods finds claims of more ejections than pods have the fault.
func (c *check) tooFewPods() []Finding {
	var all []Finding
	for _, claimed := range c.Claims {
		wanted, ejects := ejections(claimed)
		s := c.faultedOnly(claimed)
		if !ejects || s == nil || !c.atUpstream(s) || len(c.Edits) == 0 {
			continue
		}
		pods := map[string]bool{}
		for _, edit := range c.Edits {
			for _, pod := range edit.Pods {
				pods[pod] = true
			}
		}
		if len(pods) < wanted {
			all = append(all, Finding{Refused: true, Field: claimed.Field, Text: fmt.Sprintf(
				"asserts that %s ejected, and the fault is made in %s: the others answer well. Set faults[%d].pods to %d.",
				areText(wanted), plural(len(pods), "pod"), c.first(s), wanted)})
		}
	}
	return all
}

// ejectionMissing warns of claims of ejections where nothing ejects.
func ejectionMissing(c *check) []Finding {
	var all []Finding
	for _, claimed := range c.Claims {
		if _, ejects := ejections(claimed); !ejects {
			continue
		}
		for _, s := range c.named(claimed.Service) {
			hops := c.hopsAt(s)
			if len(hops) == 0 || slices.ContainsFunc(hops, Hop.ejects) {
				continue
			}
			all = append(all, Finding{Field: claimed.Field, Object: objectsOf(hops, "DestinationRule"), Text: fmt.Sprintf(
				"asserts ejections of %s, and callers have no outlierDetection for it: none will be ejected. "+
					"Set trafficPolicy.outlierDetection in a DestinationRule for %s.", s, s)})
		}
	}
	return all
}

// ejectionStatus finds claims of ejections by errors that do not count.
func ejectionStatus(c *check) []Finding {
	var all []Finding
	for _, claimed := range c.Claims {
		_, ejects := ejections(claimed)
		s := c.faultedOnly(claimed)
		if !ejects || s == nil || !c.atUpstream(s) || c.counts(s) {
			continue
		}
		on, _ := c.about(s)
		f := c.Faults[on[0]]
		hops := c.hopsAt(s)
		all = append(all, Finding{
			Refused: true, Field: claimed.Field, Object: objectsOf(hops, "DestinationRule"),
			Text: fmt.Sprintf("asserts ejections of %s, and %v does not count as an error there: %s", s, f.Effect, whyNot(f, hops)),
		})
	}
	return all
}

// counts says whether a fault on a service does what ejects a host, for some
// caller and route; true, too, where nothing ejects at all.
func (c *check) counts(s *Service) bool {
	on, _ := c.about(s)
	ejecting := false
	for _, h := range c.hopsAt(s) {
		for _, r := range h.Routes {
			for _, d := range r.Destination {
				ejecting = ejecting || d.Policy.Ejection != nil
				for _, i := range on {
					if slices.ContainsFunc(symptoms(c.Faults[i]), func(y symptom) bool { return y.inRow(r, d.Policy.Ejection) > 0 }) {
						return true
					}
				}
			}
		}
	}
	return !ejecting
}

// whyNot says why a fault ejects nobody, and what would.
func whyNot(f injector.Fault, hops []Hop) string {
	for _, h := range hops {
		for _, r := range h.Routes {
			for _, d := range r.Destination {
				if e := d.Policy.Ejection; e != nil {
					return why(symptoms(f), r, e)
				}
			}
		}
	}
	return ""
}

func why(all []symptom, r Route, e *Ejection) string {
	for _, y := range all {
		switch {
		case y.status == 0 && r.lasts() == 0:
			return "the route has neither a timeout nor a perTryTimeout, so that slow answers are waited for and are good. Set a timeout below the delay, or abort with 503."
		case y.status == 0 && y.delay <= r.lasts():
			return fmt.Sprintf("a caller waits %s, which is longer than the delay. Delay for longer, or abort with 503.", r.lasts())
		case y.status != 0 && y.status < 500:
			return "only 5xx count. Abort with 503."
		case e.FiveXX == 0 && e.GatewayErrors > 0:
			return "consecutive5xxErrors is 0, and consecutiveGatewayErrors counts 502, 503 and 504 only. Abort with 503, or set consecutive5xxErrors."
		}
	}
	return "outlierDetection counts nothing. Set consecutive5xxErrors."
}
