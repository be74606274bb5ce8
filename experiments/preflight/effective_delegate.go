package preflight

import (
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
)

// placed is a route and where it stands: of one that was delegated, the delegate.
type placed struct {
	route *networking.HTTPRoute // a copy
	in    *networkingv1.VirtualService
	index int // among the HTTP routes of that
}

// merged returns the HTTP routes of a VirtualService, with those of the
// VirtualServices that it delegates to in their places. What a delegate does not
// say, the route that delegates says for it.
//
// Source: pilot/pkg/model/virtualservice.go (mergeHTTPRoute) of Istio.
func (c *check) merged(vs *networkingv1.VirtualService) []placed {
	var all []placed
	for i, route := range vs.Spec.GetHttp() {
		d := route.GetDelegate()
		if d == nil {
			all = append(all, placed{proto.CloneOf(route), vs, i})
			continue
		}
		namespace := d.GetNamespace()
		if namespace == "" {
			namespace = vs.Namespace
		}
		child := c.byName[namespace+"/"+d.GetName()]
		if child == nil || rank(child.Spec.GetExportTo(), c.Mesh.GetDefaultVirtualServiceExportTo(), namespace, vs.Namespace) == unseen {
			continue
		}
		for j, sub := range child.Spec.GetHttp() {
			all = append(all, placed{inherit(route, proto.CloneOf(sub)), child, j})
		}
	}
	return all
}

// inherit gives a delegate's route what the route that delegates says and it
// does not. Of their matches it takes the delegate's, which are the narrower.
func inherit(root, sub *networking.HTTPRoute) *networking.HTTPRoute {
	if len(sub.GetMatch()) == 0 {
		sub.Match = root.GetMatch()
	}
	if sub.GetName() == "" {
		sub.Name = root.GetName()
	} else if root.GetName() != "" {
		sub.Name = root.GetName() + "-" + sub.GetName()
	}
	if sub.GetTimeout() == nil {
		sub.Timeout = root.GetTimeout()
	}
	if sub.GetRetries() == nil {
		sub.Retries = root.GetRetries()
	}
	if sub.GetFault() == nil {
		sub.Fault = root.GetFault()
	}
	return sub
}

// made returns a route with what is in effect on it.
func (c *check) made(p placed, port int, from Caller) Route {
	r := p.route
	route := Route{
		Name: r.GetName(), Object: "VirtualService " + key(p.in), Index: p.index, Match: r.GetMatch(),
		Timeout: r.GetTimeout().AsDuration(), Retries: c.retries(r.GetRetries()), Fault: r.GetFault(),
		Direct: r.GetRedirect() != nil || r.GetDirectResponse() != nil,
	}
	sum := 0.0
	for _, d := range r.GetRoute() {
		sum += float64(d.GetWeight())
	}
	for _, d := range r.GetRoute() {
		share := 1.0
		if len(r.GetRoute()) > 1 {
			if d.GetWeight() == 0 {
				continue
			}
			share = float64(d.GetWeight()) / sum
		}
		to := Destination{Host: c.resolve(d.GetDestination().GetHost(), p.in.Namespace), Subset: d.GetDestination().GetSubset(), Share: share}
		to.Port = c.portOf(d.GetDestination(), to.Host, port)
		to.Policy = c.policy(to, from)
		route.Destination = append(route.Destination, to)
	}
	return route
}
