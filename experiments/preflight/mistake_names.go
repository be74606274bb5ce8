package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-mesh/faultline/injector"
)

// shortNameElsewhere finds hosts that are written so that Istio takes them for
// another service than the one that callers mean.
func shortNameElsewhere(c *check) []Finding {
	if len(c.services) == 0 || c.unread("services") {
		return nil
	}
	all := c.eachRoute(func(_ Hop, r Route) string {
		for _, d := range r.Destination {
			if text := c.unknown(d.Host); text != "" {
				return fmt.Sprintf("sends %s of its requests to %s: they are answered with 503", percentText(100*d.Share), text)
			}
		}
		return ""
	})
	for _, vs := range c.VirtualServices {
		for _, written := range vs.Spec.GetHosts() {
			if text := c.meantElsewhere(written, vs.Namespace); text != "" && isMesh(vs) {
				all = found(all, "VirtualService "+key(vs), "has routes for "+text+" Its routes apply to nothing")
			}
		}
	}
	for _, dr := range c.DestinationRules {
		if text := c.meantElsewhere(dr.Spec.GetHost(), dr.Namespace); text != "" {
			all = found(all, "DestinationRule "+key(dr), "is for "+text+" Its policies apply to nothing")
		}
	}
	for i, f := range all {
		all[i].Text = f.Text + ". Write the whole name."
	}
	return all
}

// unknown says what is wrong with a host that leads nowhere; "" when it leads
// somewhere, or when it cannot be known.
func (c *check) unknown(host string) string {
	if c.knows(host) || !strings.HasSuffix(host, ".svc."+c.Domain) && !c.isPartOfName(host) {
		return "" // names outside of the cluster are for others to resolve
	}
	if c.isPartOfName(host) {
		return host + ", a name that callers may use and Istio does not complete"
	}
	return host + ", which does not exist (a name without a dot belongs to the namespace of the rule it stands in)"
}

// knows says whether the mesh has a host.
func (c *check) knows(host string) bool {
	if c.services[host] != nil {
		return true
	}
	for known := range c.services {
		if strings.HasPrefix(known, "*") && injector.HostMatches(known, host) {
			return true
		}
	}
	return false
}

// isPartOfName says whether a host is name.namespace or name.namespace.svc of a
// Service.
func (c *check) isPartOfName(host string) bool {
	host = strings.TrimSuffix(host, ".svc")
	return strings.Count(host, ".") == 1 && c.services[host+".svc."+c.Domain] != nil
}

// meantElsewhere says what Istio makes of a host written in a namespace, when
// that is nothing and a service that the experiment is about has that name.
func (c *check) meantElsewhere(written, namespace string) string {
	resolved := c.resolve(written, namespace)
	if c.knows(resolved) {
		return ""
	}
	i := slices.IndexFunc(c.hops, func(h Hop) bool {
		return h.To.entry == nil && (written == h.To.Name && namespace != h.To.Namespace ||
			strings.TrimSuffix(resolved, ".svc") == h.To.Name+"."+h.To.Namespace)
	})
	if i < 0 {
		return ""
	}
	to := c.hops[i].To
	if written == to.Name {
		return fmt.Sprintf("%s, which means %s: a name without a dot belongs to the namespace of the rule it stands in, and the service is %s.", written, resolved, to.Host)
	}
	return fmt.Sprintf("%s, which callers may use and Istio does not complete: the service is %s.", written, to.Host)
}
