package injector

import (
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Percent returns the share of the requests in scope that meet the fault in the
// end, 0-100.
func (f Fault) Percent() float64 {
	if f.Effect == nil {
		return 0
	}
	sum := 0.0
	for _, sign := range f.Effect.signs(spot{site: Caller}) {
		sum += sign.Percent
	}
	return min(sum, 100)
}

// MadeIn reports whether the fault is made in the proxy of a pod, as far as the
// edited object decides: in the chosen pods, at the Upstream site; in those of
// the callers to which the object is exported, at the Caller site. gateway says
// whether the pod is a gateway, which has no app beside its proxy.
func (e Edit) MadeIn(namespace, pod string, labels map[string]string, gateway bool) bool {
	if len(e.Pods) > 0 {
		return namespace == e.Ref.Namespace && slices.Contains(e.Pods, pod)
	}
	var from Callers
	var asked *unstructured.Unstructured
	if e.splice != nil {
		from, asked = e.splice.from, e.splice.gateway
	}
	wanted := from.Labels
	if asked != nil {
		wanted, _, _ = unstructured.NestedStringMap(asked.Object, "spec", "selector")
	}
	for name, value := range wanted {
		if have, found := labels[name]; !found || have != value {
			return false
		}
	}
	return gateway == (asked != nil) && visibleTo(e.After, namespace) && (from.Namespace == "" || from.Namespace == namespace)
}

// NamesRoute reports whether shown is how proxies call a route that was put in
// as name. Istio puts the name of a delegate's route behind a hyphen, and that
// of a match behind a dot.
func NamesRoute(shown, name string) bool {
	rest, found := strings.CutPrefix(shown, name)
	return found && (rest == "" || rest[0] == '.' || rest[0] == '-')
}

// OfRun reports whether shown is how proxies call a route that some run put in.
func OfRun(shown string) bool { return anyRoute.MatchString(shown) }

var anyRoute = regexp.MustCompile(`^faultline-[0-9a-f]{4,32}-[0-9]+([.-]|$)`)

// Resource is the part of a proxy's config_dump that shows the edit, as the
// parameter resource of that page names it.
func (e Edit) Resource() string {
	switch e.Ref.Kind {
	case kindEnvoyFilter:
		return "dynamic_listeners"
	case kindServiceEntry:
		return "dynamic_active_clusters"
	}
	return "dynamic_route_configs"
}
