package preflight

import (
	"net/url"
	"slices"
	"strings"

	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/faultline-mesh/faultline/injector"
)

// entries returns the Gateways by which the load can come into the mesh: those
// that the pods of the experiment's gateway serve, with a server for the load's
// host.
func (c *check) entries() []entryGateway {
	if c.Gateway == "" {
		return nil
	}
	namespace, name, _ := strings.Cut(c.Gateway, "/")
	entry := c.services[name+"."+namespace+".svc."+c.Domain]
	if entry == nil {
		return nil
	}
	host := c.loadHost()
	var all []entryGateway
	for _, gateway := range c.Gateways {
		selector := gateway.Spec.GetSelector()
		if !matches(selector, entry.selector) && !matches(entry.selector, selector) {
			continue
		}
		found := entryGateway{caller: c.gatewayCaller(gateway)}
		for _, vs := range c.VirtualServices {
			if c.bound(vs, found.caller) && c.serves(gateway, vs, host) {
				found.routes = append(found.routes, vs)
			}
		}
		if len(found.routes) > 0 {
			slices.SortFunc(found.routes, func(a, b *networkingv1.VirtualService) int { return older(a, b) })
			all = append(all, found)
		}
	}
	return all
}

// loadHost returns the host that the load's requests are for, as proxies see it.
func (c *check) loadHost() string {
	for name, value := range c.Load.Header {
		if strings.EqualFold(name, "Host") {
			host, _, _ := strings.Cut(value, ":")
			return strings.ToLower(host)
		}
	}
	u, err := url.Parse(c.Load.URL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// bound says whether a VirtualService names a Gateway, and is seen by its
// proxies.
func (c *check) bound(vs *networkingv1.VirtualService, to Caller) bool {
	return slices.ContainsFunc(vs.Spec.GetGateways(), func(g string) bool { return injector.ResolveGateway(g, vs.Namespace) == to.Gateway }) &&
		c.seen(vs, 0, to) != unseen
}

// serves says whether a gateway has the routes of vs for requests to a host.
func (c *check) serves(gateway *networkingv1.Gateway, vs *networkingv1.VirtualService, host string) bool {
	if !slices.ContainsFunc(vs.Spec.GetHosts(), func(h string) bool { return injector.HostMatches(c.resolve(h, vs.Namespace), host) }) {
		return false
	}
	for _, server := range gateway.Spec.GetServers() {
		for _, written := range server.GetHosts() {
			namespace, served, found := strings.Cut(written, "/")
			if !found {
				namespace, served = "*", written
			}
			if namespace == "." {
				namespace = gateway.Namespace
			}
			if (namespace == "*" || namespace == vs.Namespace) && injector.HostMatches(strings.ToLower(served), host) {
				return true
			}
		}
	}
	return false
}

// gatewayHops returns the calls of a gateway's proxies by the routes of some
// VirtualServices: to one service, or with nil to all that they lead to.
func (c *check) gatewayHops(g entryGateway, only *Service) []Hop {
	var all []Hop
	for _, vs := range g.routes {
		for _, route := range c.routesOf(vs, 0, g.caller) {
			for _, d := range route.Destination {
				to := c.services[d.Host]
				if to == nil || only != nil && to != only {
					continue
				}
				port, _ := to.port(d.Port)
				i := slices.IndexFunc(all, func(h Hop) bool { return h.To.Host == to.Host && h.Port == port })
				if i < 0 {
					i, all = len(all), append(all, Hop{From: g.caller, To: *to, Port: port, Object: "VirtualService " + key(vs)})
				}
				if r := all[i].Routes; len(r) == 0 || r[len(r)-1].Index != route.Index || r[len(r)-1].Object != route.Object {
					all[i].Routes = append(r, route)
				}
			}
		}
	}
	return all
}
