package preflight

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/faultline-mesh/faultline/injector"
)

// callerWithoutProxy finds callers whose requests meet neither fault nor policy:
// pods without a sidecar, a gateway with routes of its own, the load itself.
func callerWithoutProxy(c *check) []Finding {
	var all []Finding
	for i, f := range c.Faults {
		field := fmt.Sprintf("faults[%d].from", i)
		if f.Site != injector.Caller || f.From.Gateway != "" {
			continue
		}
		if bare := c.bareCallers(f); len(bare) > 0 {
			all = append(all, Finding{Field: field, Object: "Pod " + bare[0], Text: fmt.Sprintf(
				"%s requests to %s meet no fault, and no timeout, retry or ejection of the mesh either. "+
					"Put in the sidecar (label the namespace istio-injection=enabled and restart the pods), or do not count such callers in the answer.",
				bareText(bare), f.On)})
		}
		if from := c.gatewayBeside(f); from != "" {
			all = append(all, Finding{Field: field, Object: "Gateway " + from, Text: fmt.Sprintf(
				"the load comes by it straight to %s: the gateway's proxy goes by routes of its own, and its requests do not meet a fault that is made in sidecars. Set from.gateway: %s.",
				f.On, from)})
		}
	}
	return append(all, c.loadFromOutside()...)
}

// bareCallers returns the pods, as namespace/name, that a fault asks for as its
// callers and that have no proxy.
func (c *check) bareCallers(f injector.Fault) []string {
	if f.From.Namespace == "" && len(f.From.Labels) == 0 {
		return nil // who calls is not known
	}
	namespace := f.From.Namespace
	if namespace == "" {
		namespace = f.On.Namespace
	}
	var bare []string
	for _, pod := range c.podsOf(namespace, f.From.Labels) {
		sidecar, gateway := meshed(pod)
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if !sidecar && !gateway && !ended {
			bare = append(bare, key(pod))
		}
	}
	slices.Sort(bare)
	return bare
}

// bareText says of the first pod, and of the others, that they have no sidecar.
func bareText(pods []string) string {
	rest, more := pods[1:], ""
	if len(rest) == 0 {
		return "has no sidecar: its"
	}
	if len(rest) > 5 {
		rest, more = rest[:5], fmt.Sprintf(" and %d more", len(rest)-5)
	}
	return "has no sidecar, nor have " + strings.Join(rest, ", ") + more + ": their"
}

// gatewayBeside returns the Gateway whose routes lead the load straight to the
// service of a fault that is made in sidecars only.
func (c *check) gatewayBeside(f injector.Fault) string {
	s, _ := c.faulted(f.On)
	if s == nil || c.Gateway == "" {
		return ""
	}
	for _, h := range c.hops {
		if h.From.Gateway != "" && h.To.Host == s.Host && slices.ContainsFunc(h.Routes, func(r Route) bool { return c.takesLoad(h, r) }) {
			return h.From.Gateway
		}
	}
	return ""
}

// loadFromOutside finds load that goes to a service without a proxy on the way.
func (c *check) loadFromOutside() []Finding {
	if c.Gateway != "" {
		return nil
	}
	host := c.loadHost()
	for _, h := range c.hops {
		if h.To.entry != nil || h.From.Gateway != "" || !slices.Contains(namesOf(h.To), host) {
			continue
		}
		return []Finding{{Field: "load.url", Text: fmt.Sprintf("goes straight to %s, and faultline has no sidecar: these requests meet no fault at the caller site, and no timeout, retry or ejection of the mesh. "+
			"Let the load come by a gateway (gateway: namespace/name of its Service), or to a service that calls %s. Where faultline itself runs in a pod with a sidecar, this does not apply.", h.To, h.To)}}
	}
	return nil
}

// namesOf returns the names by which pods reach a Service.
func namesOf(s Service) []string {
	short := s.Name + "." + s.Namespace
	return []string{s.Name, short, short + ".svc", s.Host}
}
