package preflight

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// routeNeverReached finds routes behind one that takes every request.
func routeNeverReached(c *check) []Finding {
	var all []Finding
	for _, h := range c.hops {
		vs := c.byName[strings.TrimPrefix(h.Object, "VirtualService ")]
		if vs == nil {
			continue
		}
		routes := c.merged(vs)
		first := slices.IndexFunc(routes, func(p placed) bool { return takesEveryone(p.route) })
		if first < 0 || first == len(routes)-1 {
			continue
		}
		var behind []string
		for _, p := range routes[first+1:] {
			behind = append(behind, placeOf(p))
		}
		verb := "is"
		if len(behind) > 1 {
			verb = "are"
		}
		all = found(all, "VirtualService "+key(vs), fmt.Sprintf("%s %s never reached: %s before it takes every request. Put the routes with a match first, and the one without one last.",
			strings.Join(behind, ", "), verb, placeOf(routes[first])))
	}
	return all
}

// placeOf says where a route stands, with the delegate that has it.
func placeOf(p placed) string {
	text := Route{Name: p.route.GetName(), Index: p.index}.place()
	if len(p.in.Spec.GetHosts()) == 0 {
		text += " of VirtualService " + key(p.in)
	}
	return text
}

// takesEveryone says whether a route takes every request of every caller on every
// port.
func takesEveryone(r *networking.HTTPRoute) bool {
	return len(r.GetMatch()) == 0 || slices.ContainsFunc(r.GetMatch(), func(m *networking.HTTPMatchRequest) bool {
		return matchesAll(m) && len(m.GetSourceLabels())+len(m.GetGateways()) == 0 && m.GetSourceNamespace() == "" && m.GetPort() == 0
	})
}
