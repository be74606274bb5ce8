package preflight

import (
	"fmt"
	"slices"
	"strings"

	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/faultline-mesh/faultline/injector"
)

// secondVirtualService finds VirtualServices for a host of the mesh that another
// one has already.
func secondVirtualService(c *check) []Finding {
	var all []Finding
	for _, h := range c.hops {
		if h.From.Gateway != "" || h.Object == "" {
			continue
		}
		owned := false
		for _, vs := range c.ranked(&h.To, h.Port.Number, h.From) {
			object := "VirtualService " + key(vs)
			if object == h.Object {
				owned = true
				continue
			}
			if !owned {
				continue // it has no route for these callers, and leaves them to the next
			}
			all = found(all, object, fmt.Sprintf("has routes for %s, as has %s: for %s only those of the latter count, which is older, or nearer to them. "+
				"Nothing of this one applies, and nobody says so. Put the routes into one VirtualService.", h.To.Host, h.Object, h.From))
		}
	}
	return all
}

// boundElsewhere finds VirtualServices that are bound to a Gateway only though
// they name a host of the mesh, and the reverse.
func boundElsewhere(c *check) []Finding {
	var all []Finding
	for _, h := range c.hops {
		if h.From.Gateway != "" || h.Object != "" || slices.ContainsFunc(c.virtualServices(h.To.Host), isMesh) {
			continue
		}
		for _, vs := range c.exact[h.To.Host] {
			if len(vs.Spec.GetHttp()) == 0 || c.seen(vs, h.Port.Number, h.From) == unseen {
				continue
			}
			all = found(all, "VirtualService "+key(vs), fmt.Sprintf("names %s, by which the mesh itself calls the service, and is bound to gateway %s only: "+
				"sidecars do not use its routes, so that %s have nothing of what it says. Add mesh to its gateways.",
				h.To.Host, strings.Join(vs.Spec.GetGateways(), ", "), h.From))
		}
	}
	return append(all, c.entryUnbound()...)
}

// entryUnbound finds the VirtualService of the host where the load enters, when
// it is bound to no Gateway.
func (c *check) entryUnbound() []Finding {
	if c.Gateway == "" || len(c.entries()) > 0 {
		return nil
	}
	var all []Finding
	host := c.loadHost()
	for _, vs := range c.virtualServices(host) {
		if len(vs.Spec.GetGateways()) > 0 && !slices.Equal(vs.Spec.GetGateways(), []string{"mesh"}) {
			continue
		}
		if gateway := c.gatewayFor(host); gateway != nil {
			all = found(all, "VirtualService "+key(vs), fmt.Sprintf("has routes for %s, where the load enters, and is bound to no Gateway: only sidecars use them, "+
				"and Gateway %s, which serves that host, answers 404. Add %s to its gateways.", host, key(gateway), key(gateway)))
		}
	}
	return all
}

// gatewayFor returns a Gateway with a server for a host, or nil.
func (c *check) gatewayFor(host string) *networkingv1.Gateway {
	for _, g := range c.Gateways {
		for _, server := range g.Spec.GetServers() {
			for _, written := range server.GetHosts() {
				if _, served, found := strings.Cut(written, "/"); found {
					written = served
				}
				if injector.HostMatches(strings.ToLower(written), host) {
					return g
				}
			}
		}
	}
	return nil
}
