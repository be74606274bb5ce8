package preflight

import (
	"slices"

	"github.com/faultline-mesh/faultline/injector"
)

// findHops returns the calls that the experiment is about: by which its load
// enters, on which its faults are, and of which its matchers tell.
func (c *check) findHops() []Hop {
	var all []Hop
	take := func(hops []Hop) {
		for _, h := range hops {
			if !slices.ContainsFunc(all, func(had Hop) bool { return had.same(h) }) {
				all = append(all, h)
			}
		}
	}
	for _, g := range c.entries() {
		take(c.gatewayHops(g, nil))
	}
	for _, f := range c.Faults {
		take(c.hopsOf(f))
	}
	for _, claimed := range c.Claims {
		if claimed.Service == "" {
			continue
		}
		for _, s := range c.named(claimed.Service) {
			if !slices.ContainsFunc(all, func(h Hop) bool { return h.To.Host == s.Host }) {
				take(c.hopsTo(s, s.Ports, s.Namespace, nil))
			}
		}
	}
	return all
}

// hopsOf returns the calls on which a fault is, or which meet it.
func (c *check) hopsOf(f injector.Fault) []Hop {
	s, ports := c.faulted(f.On)
	if s == nil {
		return nil
	}
	if f.From.Gateway != "" {
		for _, gateway := range c.Gateways {
			if key(gateway) != f.From.Gateway {
				continue
			}
			g := entryGateway{caller: c.gatewayCaller(gateway)}
			for _, vs := range c.VirtualServices {
				if c.bound(vs, g.caller) {
					g.routes = append(g.routes, vs)
				}
			}
			return c.gatewayHops(g, s)
		}
		return nil
	}
	namespace := f.From.Namespace
	if namespace == "" {
		namespace = f.On.Namespace
	}
	return c.hopsTo(s, ports, namespace, f.From.Labels)
}

// hopsTo returns the calls of sidecars in a namespace to ports of a service, one
// for all callers that have the same policy. Callers whose Sidecar keeps the
// service from them are left out, unless all are.
func (c *check) hopsTo(to *Service, ports []Port, namespace string, asked map[string]string) []Hop {
	var all []Hop
	for _, port := range ports {
		var of []Hop
		for _, from := range c.sidecarCallers(namespace, asked) {
			if !c.reachable(to, port.Number, from) {
				continue
			}
			h := Hop{From: from, To: *to, Port: port}
			routes, owner := c.routes(to, port.Number, from)
			if h.Routes = routes; owner != nil {
				h.Object = "VirtualService " + key(owner)
			}
			if i := slices.IndexFunc(of, func(had Hop) bool { return had.policy() == h.policy() }); i >= 0 {
				of[i].From.alike = true // it makes no difference
				continue
			}
			of = append(of, h)
		}
		if len(of) == 1 {
			of[0].From.alike = true
		}
		all = append(all, of...)
	}
	return all
}

// reachable says whether a caller's proxies know a service: its Sidecar names it,
// or the routes of a VirtualService that they have lead to it.
func (c *check) reachable(to *Service, port int, from Caller) bool {
	standard := c.Mesh.GetDefaultServiceExportTo()
	if rank(to.exportTo, standard, to.Namespace, from.Namespace) == unseen {
		return false
	}
	return scope{from.scope, from.Namespace}.reaches(to, port)
}

// same says whether two hops are calls of the same callers to the same port.
func (h Hop) same(other Hop) bool {
	return h.From.String() == other.From.String() && h.To.Host == other.To.Host && h.Port == other.Port
}
