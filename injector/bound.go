package injector

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// forSidecars says whether a VirtualService is bound to the gateway mesh. One
// without hosts is a delegate, which is bound to nothing itself.
func forSidecars(vs object) bool {
	gateways := stringsAt(vs, "spec", "gateways")
	return len(gateways) == 0 || slices.Contains(gateways, "mesh")
}

// exportedTo returns the namespaces in which vs is visible, none meaning all,
// and whether it is visible at all.
func exportedTo(vs *unstructured.Unstructured) (namespaces []string, visible bool) {
	exportTo := stringsAt(vs.Object, "spec", "exportTo")
	switch {
	case len(exportTo) == 0 || slices.Contains(exportTo, "*"):
		return nil, true
	case slices.Contains(exportTo, "~"):
		return nil, false
	}
	for _, namespace := range exportTo {
		if namespace == "." {
			namespace = vs.GetNamespace()
		}
		namespaces = append(namespaces, namespace)
	}
	return namespaces, true
}

// visibleTo says whether vs is exported to a namespace.
func visibleTo(vs *unstructured.Unstructured, namespace string) bool {
	namespaces, visible := exportedTo(vs)
	return visible && (len(namespaces) == 0 || slices.Contains(namespaces, namespace))
}

// moreSpecific says whether host a, of two that match, is closer to the
// service than b: an exact one before wildcards, then the longer.
func moreSpecific(a, b string) bool {
	if wild := strings.HasPrefix(a, "*"); wild != (b == "" || strings.HasPrefix(b, "*")) {
		return !wild
	}
	return len(a) > len(b)
}

// errLimited is why clones in the routes of a VirtualService would not reach
// all its callers.
var errLimited = errors.New("all its routes are limited to some callers (sourceLabels, sourceNamespace), " +
	"and other callers are routed elsewhere: say which callers are meant, as the routes do (from)")

// audience is for which of the callers asked about there is something.
type audience int

const (
	nobody audience = iota
	someone
	everyone
)

// reach says for whom a VirtualService has a route on a port in sidecars,
// whatever else it asks of a request.
func reach(vs object, port int64, from Callers) audience {
	best := nobody
	for _, route := range objectsAt(vs, "spec", "http") {
		best = max(best, routeReach(route, port, from))
	}
	return best
}

func routeReach(route object, port int64, from Callers) audience {
	matches := objectsAt(route, "match")
	if len(matches) == 0 {
		return everyone
	}
	best := nobody
	for _, match := range matches {
		best = max(best, matchReach(match, port, from))
	}
	return best
}

// matchReach says for whom a match is. Istio ignores the source of one with
// gateways.
func matchReach(match object, port int64, from Callers) audience {
	if asked := at[int64](match, "port"); asked != 0 && port != 0 && asked != port {
		return nobody
	}
	if gateways := stringsAt(match, "gateways"); len(gateways) > 0 {
		if slices.Contains(gateways, "mesh") {
			return everyone
		}
		return nobody
	}
	found := everyone
	if asked := at[string](match, "sourceNamespace"); asked != "" && asked != from.Namespace {
		if from.Namespace != "" {
			return nobody
		}
		found = someone
	}
	for name, value := range at[object](match, "sourceLabels") {
		have, known := from.Labels[name]
		switch {
		case !known:
			found = someone
		case have != value:
			return nobody
		}
	}
	return found
}

// byAge orders VirtualServices as istiod does.
func byAge(a, b *unstructured.Unstructured) int {
	return cmp.Or(
		a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time),
		cmp.Compare(a.GetName(), b.GetName()),
		cmp.Compare(a.GetNamespace(), b.GetNamespace()),
	)
}

const (
	private = iota // exported to its own namespace, that of the caller
	exported
	public
	invisible
)

// rank is c's place in the order in which callers in a namespace see it.
func (c candidate) rank(namespace string) int {
	switch {
	case len(c.exportTo) == 0:
		return public
	case namespace == anywhere || !slices.Contains(c.exportTo, namespace):
		return invisible
	case namespace == c.vs.GetNamespace():
		return private
	}
	return exported
}
