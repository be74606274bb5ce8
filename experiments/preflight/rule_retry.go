package preflight

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

// retryNotCovered finds claims that requests are tried again where no route does
// that for what the fault does.
func retryNotCovered(c *check) []Finding {
	var all []Finding
	for _, claimed := range c.Claims {
		s := c.faultedOnly(claimed)
		if !retried(claimed) || s == nil || !c.atUpstream(s) {
			continue
		}
		hops := c.hopsAt(s)
		if len(hops) == 0 || c.someRoute(s, func(y symptom, r Route) bool { return y.retriedOn(r) }) {
			continue
		}
		on, _ := c.about(s)
		f := c.Faults[on[0]]
		all = append(all, c.unlessBefore(s, Finding{
			Field: claimed.Field, Object: objectsOf(hops, "VirtualService"),
			Text: fmt.Sprintf("asserts that requests to %s are tried again, and %v is not among what they are tried again on: %s", s, f.Effect, notRetried(f, hops[0].Routes[0])),
		}))
	}
	return all
}

// unlessBefore refuses what f says of the retries of a service, unless a hop
// before it may try again what fails there: then it is a warning.
func (c *check) unlessBefore(s *Service, f Finding) Finding {
	before := c.retriesElsewhere(s)
	if f.Refused = before == ""; !f.Refused {
		f.Text += fmt.Sprintf(" It can be true only if a hop before it tries again, such as one by %s.", before)
	}
	return f
}

// retriesElsewhere returns a VirtualService of the experiment's namespaces by
// whose routes requests to something else are tried again on some 5xx, or "".
func (c *check) retriesElsewhere(s *Service) string {
	namespaces := c.namespaces()
	for _, vs := range c.VirtualServices {
		if !slices.Contains(namespaces, vs.Namespace) || slices.Contains(c.virtualServices(s.Host), vs) {
			continue
		}
		for _, p := range c.merged(vs) {
			r := c.retries(p.route.GetRetries())
			if slices.ContainsFunc([]int{500, 502, 503, 504}, r.covers) {
				return "VirtualService " + key(vs)
			}
		}
	}
	return ""
}

// someRoute says whether a symptom of a fault on the service and a route to it
// are as asked.
func (c *check) someRoute(s *Service, is func(symptom, Route) bool) bool {
	on, _ := c.about(s)
	return slices.ContainsFunc(c.hopsAt(s), func(h Hop) bool {
		return slices.ContainsFunc(h.Routes, func(r Route) bool {
			return slices.ContainsFunc(on, func(i int) bool {
				return slices.ContainsFunc(symptoms(c.Faults[i]), func(y symptom) bool { return is(y, r) })
			})
		})
	})
}

// notRetried says why a route does not try again what a fault did, and what
// would make it.
func notRetried(f injector.Fault, r Route) string {
	if r.Retries.Attempts == 0 {
		return "the route has none (attempts: 0). Set retries in it."
	}
	for _, y := range symptoms(f) {
		switch {
		case y.grpc != "":
			return fmt.Sprintf("there are %s. Add its name to retryOn.", r.Retries)
		case y.status != 0:
			return fmt.Sprintf("there are %s. Set retries.retryOn: %s in the route.", r.Retries, map[bool]string{true: "5xx", false: fmt.Sprintf("%q", fmt.Sprint(y.status))}[y.status >= 500])
		case r.Retries.PerTry == 0:
			return fmt.Sprintf("there are %s, and no perTryTimeout that would end a slow try. Set retries.perTryTimeout below the delay.", r.Retries)
		case y.delay <= r.Retries.PerTry:
			return fmt.Sprintf("a try may take %s, which is longer than the delay. Delay for longer.", r.Retries.PerTry)
		}
	}
	return fmt.Sprintf("there are %s, and tries that took too long are not among them. Set retries.retryOn: 5xx in the route.", r.Retries)
}

// triesDoNotFit finds claims of more tries than the route has, or has time for.
func triesDoNotFit(c *check) []Finding {
	var all []Finding
	for _, claimed := range c.Claims {
		s := c.faultedOnly(claimed)
		if !retried(claimed) || s == nil || !c.atUpstream(s) {
			continue
		}
		hops := c.hopsAt(s)
		if len(hops) == 0 || c.someRoute(s, func(y symptom, r Route) bool { return !y.retriedOn(r) || float64(y.tries(r)) >= claimed.Range.Low }) {
			continue
		}
		all = append(all, c.unlessBefore(s, Finding{
			Field: claimed.Field, Object: objectsOf(hops, "VirtualService"), Text: c.unfit(s, hops[0].Routes[0], claimed.Range.Low),
		}))
	}
	return all
}

// tries returns how many tries of a request a route begins at most when each of
// them meets the symptom.
func (s symptom) tries(r Route) int {
	all := r.Retries.Attempts + 1
	if s.delay == 0 || r.Timeout == 0 || r.Retries.PerTry == 0 {
		return all
	}
	return min(all, int(math.Ceil(float64(r.Timeout)/float64(r.Retries.PerTry))))
}

func (c *check) unfit(s *Service, r Route, low float64) string {
	on, _ := c.about(s)
	fit := 0
	for _, i := range on {
		for _, y := range symptoms(c.Faults[i]) {
			fit = max(fit, y.tries(r))
		}
	}
	if fit == r.Retries.Attempts+1 {
		return fmt.Sprintf("asserts at least %v tries of each request to %s, and attempts: %d makes %d at most. Claim fewer, or set retries.attempts to %d.",
			low, s, r.Retries.Attempts, fit, int(math.Ceil(low))-1)
	}
	need := r.Retries.PerTry * time.Duration(math.Ceil(low)-1)
	return fmt.Sprintf("asserts at least %v tries of each request to %s, and a try that fails takes the perTryTimeout of %s: only %d of %d begin within the timeout of %s. "+
		"Set timeout to more than %s, or perTryTimeout to less.", low, s, r.Retries.PerTry, fit, r.Retries.Attempts+1, r.Timeout, need)
}
