package preflight

import (
	"maps"
	"slices"
	"strings"

	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
	corev1 "k8s.io/api/core/v1"
)

// Caller are proxies that have the same policy.
type Caller struct {
	Namespace string            // where their pods are
	Labels    map[string]string // of the pods; nil: not known
	Gateway   string            // "namespace/name" of the Gateway that they serve; empty: they are sidecars
	Asked     map[string]string // labels by which a fault asks for its callers

	scope *networkingv1.Sidecar // what they may know; nil for everything
	alike bool                  // it makes no difference
}

// String says who calls: "gateway shop/public", "callers in shop", "callers in
// shop with app=checkout".
func (c Caller) String() string {
	if c.Gateway != "" {
		return "gateway " + c.Gateway
	}
	text := "callers in " + c.Namespace
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(c.Asked)) {
		labels = append(labels, name+"="+c.Asked[name])
	}
	if len(labels) > 0 {
		text += " with " + strings.Join(labels, ",")
	}
	if c.scope != nil && !c.alike {
		text += " under Sidecar " + key(c.scope)
	}
	return text
}

// sidecarCallers returns the callers of a namespace, those that differ in what
// selects them apart; when no pod is known, one that stands for all.
func (c *check) sidecarCallers(namespace string, asked map[string]string) []Caller {
	matter := c.telling(namespace)
	known := map[string]bool{}
	var all []Caller
	for _, pod := range c.podsOf(namespace, asked) {
		if sidecar, _ := meshed(pod); !sidecar {
			continue
		}
		var told strings.Builder
		for _, name := range matter {
			told.WriteString(name + "=" + pod.Labels[name] + ",")
		}
		if known[told.String()] {
			continue
		}
		known[told.String()] = true
		caller := Caller{Namespace: namespace, Labels: labelsOf(pod), Asked: asked}
		caller.scope = c.sidecarOf(caller)
		all = append(all, caller)
	}
	if len(all) == 0 {
		caller := Caller{Namespace: namespace, Labels: asked, Asked: asked}
		caller.scope = c.sidecarOf(caller)
		all = append(all, caller)
	}
	return all
}

// labelsOf returns the labels of a pod, which are known even when there are none.
func labelsOf(pod *corev1.Pod) map[string]string {
	if pod.Labels == nil {
		return map[string]string{}
	}
	return pod.Labels
}

// telling returns the labels by which objects tell callers of a namespace apart.
func (c *check) telling(namespace string) []string {
	names := map[string]bool{}
	take := func(labels map[string]string) {
		for name := range labels {
			names[name] = true
		}
	}
	for _, s := range c.Sidecars {
		if s.Namespace == namespace {
			take(s.Spec.GetWorkloadSelector().GetLabels())
		}
	}
	for _, dr := range c.DestinationRules {
		if dr.Namespace == namespace {
			take(dr.Spec.GetWorkloadSelector().GetMatchLabels())
		}
	}
	for _, vs := range c.VirtualServices {
		for _, route := range vs.Spec.GetHttp() {
			for _, m := range route.GetMatch() {
				take(m.GetSourceLabels())
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// entryGateway is a Gateway by which the load comes, with the routes that take it.
type entryGateway struct {
	caller Caller
	routes []*networkingv1.VirtualService
}

// gatewayCaller returns the proxies of a Gateway as a caller. Where no pod is
// known, they are taken to be beside the Gateway.
func (c *check) gatewayCaller(gateway *networkingv1.Gateway) Caller {
	caller := Caller{Namespace: gateway.Namespace, Gateway: key(gateway)}
	for _, pod := range c.Pods {
		if _, alone := meshed(pod); alone && len(gateway.Spec.GetSelector()) > 0 && matches(gateway.Spec.GetSelector(), pod.Labels) {
			caller.Namespace, caller.Labels = pod.Namespace, labelsOf(pod)
			break
		}
	}
	return caller
}
