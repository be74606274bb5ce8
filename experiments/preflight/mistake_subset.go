package preflight

import (
	"fmt"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// subsetWithoutRoute finds policies of subsets to which no route leads.
func subsetWithoutRoute(c *check) []Finding {
	var all []Finding
	var used map[string]bool
	for _, dr := range c.rulesOfHops() {
		host := c.resolve(dr.Spec.GetHost(), dr.Namespace)
		for _, s := range dr.Spec.GetSubsets() {
			if s.GetTrafficPolicy() == nil || strings.HasPrefix(host, "*") {
				continue
			}
			if used == nil {
				used = c.subsetsInRoutes()
			}
			if used[host+"|"+s.GetName()] {
				continue
			}
			all = found(all, "DestinationRule "+key(dr), fmt.Sprintf("subsets[%[1]s] has a trafficPolicy, and no route of any VirtualService leads to that subset: "+
				"requests to %[2]s go to the service as a whole, without the policy. Route to the subset, or move the policy to spec.trafficPolicy.", s.GetName(), dr.Spec.GetHost()))
		}
	}
	return all
}

// subsetsInRoutes returns host|subset of every destination in the mesh.
func (c *check) subsetsInRoutes() map[string]bool {
	used := map[string]bool{}
	for _, vs := range c.VirtualServices {
		for _, d := range destinationsOf(&vs.Spec) {
			if d.GetSubset() != "" {
				used[c.resolve(d.GetHost(), vs.Namespace)+"|"+d.GetSubset()] = true
			}
		}
	}
	return used
}

// destinationsOf returns all destinations of a VirtualService, mirrors included.
func destinationsOf(spec *networking.VirtualService) []*networking.Destination {
	var all []*networking.Destination
	for _, r := range spec.GetHttp() {
		for _, d := range r.GetRoute() {
			all = append(all, d.GetDestination())
		}
		for _, m := range r.GetMirrors() {
			all = append(all, m.GetDestination())
		}
		all = append(all, r.GetMirror())
	}
	for _, r := range spec.GetTcp() {
		for _, d := range r.GetRoute() {
			all = append(all, d.GetDestination())
		}
	}
	for _, r := range spec.GetTls() {
		for _, d := range r.GetRoute() {
			all = append(all, d.GetDestination())
		}
	}
	return all
}

// missingSubset finds routes to subsets that no DestinationRule in effect has.
func missingSubset(c *check) []Finding {
	return c.eachRoute(func(h Hop, r Route) string {
		for _, d := range r.Destination {
			if !d.Policy.Missing {
				continue
			}
			has := "for " + h.From.String() + " no DestinationRule is in effect for that host"
			if len(d.Policy.Objects) > 0 {
				has = fmt.Sprintf("for %s %s has %s", h.From, strings.Join(d.Policy.Objects, " and "), c.subsetNames(d, h.From))
			}
			return fmt.Sprintf("sends %s of its requests to subset %s of %s, which does not exist: %s. They are answered with 503 (response flag NC, no cluster). "+
				"Name one that is there, or declare subset %s in a DestinationRule for the host that these callers see.", percentText(100*d.Share), d.Subset, d.Host, has, d.Subset)
		}
		return ""
	})
}

func (c *check) subsetNames(d Destination, from Caller) string {
	var names []string
	if rule := c.ruleFor(d.Host, from); rule != nil {
		for _, s := range rule.spec.GetSubsets() {
			names = append(names, s.GetName())
		}
	}
	if len(names) == 0 {
		return "no subsets"
	}
	return strings.Join(names, ", ")
}
