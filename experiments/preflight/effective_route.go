package preflight

import (
	"slices"
	"strings"
	"time"

	networking "istio.io/api/networking/v1alpha3"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/faultline-mesh/faultline/injector"
)

// Route is one of the routes that a caller's proxy has for a service.
type Route struct {
	Name        string // as the user named it
	Object      string // that it stands in, as "VirtualService shop/payments"; empty: Istio's own, for want of one
	Index       int    // among the HTTP routes of that object
	Match       []*networking.HTTPMatchRequest
	Timeout     time.Duration // of the request as a whole, with all its tries; 0: none
	Retries     Retries
	Fault       *networking.HTTPFaultInjection // that the user has there
	Direct      bool                           // answers or redirects by itself
	Destination []Destination                  // those with a weight
}

// Destination is where a route sends requests.
type Destination struct {
	Host   string
	Port   int
	Subset string  // empty: the whole service
	Share  float64 // of the route's requests, 0-1
	Policy Policy
}

// All reports whether the route takes every request.
func (r Route) All() bool {
	return len(r.Match) == 0 || slices.ContainsFunc(r.Match, matchesAll)
}

// matchesAll says whether a match asks nothing of a request. What it asks of
// the caller or the port is settled when routes are made.
func matchesAll(m *networking.HTTPMatchRequest) bool {
	if len(m.GetHeaders())+len(m.GetWithoutHeaders())+len(m.GetQueryParams()) > 0 ||
		m.GetMethod() != nil || m.GetScheme() != nil || m.GetAuthority() != nil {
		return false
	}
	switch uri := m.GetUri().GetMatchType().(type) {
	case *networking.StringMatch_Prefix:
		return uri.Prefix == "/"
	case *networking.StringMatch_Regex:
		return uri.Regex == ".*" || uri.Regex == "*"
	case nil:
		return true
	}
	return false
}

// routes returns the routes that proxies of a caller have for a service's port,
// and whose they are; nil stands for none, and then the routes are Istio's own.
//
// Sources: pilot/pkg/model/virtualservice.go (SelectVirtualServices),
// pilot/pkg/networking/core/route/route.go (BuildHTTPRoutesForVirtualService).
func (c *check) routes(to *Service, port int, from Caller) ([]Route, *networkingv1.VirtualService) {
	for _, vs := range c.ranked(to, port, from) {
		routes := c.routesOf(vs, port, from)
		if len(routes) > 0 {
			return routes, vs
		}
		if !slices.Contains(c.exact[to.Host], vs) {
			break // of wildcards, only the first is asked
		}
	}
	d := Destination{Host: to.Host, Port: port, Share: 1}
	d.Policy = c.policy(d, from)
	return []Route{{Retries: c.retries(nil), Destination: []Destination{d}}}, nil
}

// ranked returns the VirtualServices for a service that a caller's sidecars see,
// those first that win: of the narrowest host, the caller's own, the oldest.
func (c *check) ranked(to *Service, port int, from Caller) []*networkingv1.VirtualService {
	best := ""
	hosts := map[*networkingv1.VirtualService]string{}
	for _, vs := range c.virtualServices(to.Host) {
		if !isMesh(vs) || c.seen(vs, port, from) == unseen {
			continue
		}
		for _, written := range vs.Spec.GetHosts() {
			if host := c.resolve(written, vs.Namespace); injector.HostMatches(host, to.Host) && narrower(host, hosts[vs]) {
				hosts[vs] = host
			}
		}
		if narrower(hosts[vs], best) {
			best = hosts[vs]
		}
	}
	var all []*networkingv1.VirtualService
	for vs, host := range hosts {
		if host == best {
			all = append(all, vs)
		}
	}
	slices.SortFunc(all, func(a, b *networkingv1.VirtualService) int {
		if x, y := c.seen(a, port, from), c.seen(b, port, from); x != y {
			return x - y
		}
		return older(a, b)
	})
	return all
}

// virtualServices returns those with a host that covers fqdn, whoever sees them.
func (c *check) virtualServices(fqdn string) []*networkingv1.VirtualService {
	all := slices.Clone(c.exact[fqdn])
	for _, vs := range c.wild {
		if !slices.Contains(all, vs) && slices.ContainsFunc(vs.Spec.GetHosts(), func(h string) bool {
			return strings.HasPrefix(h, "*") && injector.HostMatches(strings.ToLower(h), fqdn)
		}) {
			all = append(all, vs)
		}
	}
	return all
}

// seen says where a VirtualService stands for a caller.
func (c *check) seen(vs *networkingv1.VirtualService, port int, from Caller) int {
	at := rank(vs.Spec.GetExportTo(), c.Mesh.GetDefaultVirtualServiceExportTo(), vs.Namespace, from.Namespace)
	if at == unseen || from.Gateway != "" {
		return at
	}
	var hosts []string
	for _, h := range vs.Spec.GetHosts() {
		hosts = append(hosts, c.resolve(h, vs.Namespace))
	}
	if !(scope{from.scope, from.Namespace}).sees(vs.Namespace, hosts, port) {
		return unseen
	}
	return at
}

func isMesh(vs *networkingv1.VirtualService) bool {
	return len(vs.Spec.GetGateways()) == 0 || slices.Contains(vs.Spec.GetGateways(), "mesh")
}

// routesOf returns the routes of one VirtualService as a caller's proxies have
// them: those of delegates in their places, without those that are for others,
// and nothing behind one that takes every request.
func (c *check) routesOf(vs *networkingv1.VirtualService, port int, from Caller) []Route {
	var routes []Route
	for _, r := range c.merged(vs) {
		if len(r.route.GetMatch()) > 0 {
			var mine []*networking.HTTPMatchRequest
			for _, m := range r.route.GetMatch() {
				if c.meant(m, vs, port, from) {
					mine = append(mine, m)
				}
			}
			if len(mine) == 0 {
				continue
			}
			r.route.Match = mine
		}
		route := c.made(r, port, from)
		routes = append(routes, route)
		if route.All() {
			break
		}
	}
	return routes
}

// meant says whether a match is for a caller and a port. For callers whose labels
// are not known, those that it asks for do not matter.
func (c *check) meant(m *networking.HTTPMatchRequest, vs *networkingv1.VirtualService, port int, from Caller) bool {
	if asked := int(m.GetPort()); asked != 0 && port != 0 && asked != port {
		return false
	}
	gateway := from.Gateway
	if gateway == "" {
		gateway = "mesh"
	}
	if len(m.GetGateways()) > 0 {
		return slices.ContainsFunc(m.GetGateways(), func(g string) bool { return injector.ResolveGateway(g, vs.Namespace) == gateway })
	}
	if asked := m.GetSourceNamespace(); asked != "" && asked != from.Namespace {
		return false
	}
	return from.Labels == nil || matches(m.GetSourceLabels(), from.Labels)
}
