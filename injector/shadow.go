package injector

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// shadowed reports a route of the Gateway API that rules the service in
// sidecars, or nil. Istio makes a VirtualService of it that nobody can edit, and
// which of the two is used depends on their age and the caller's namespace.
//
// A route rules a service that it names as a parent. From another namespace
// than the service's, it does so for the callers of its own namespace.
func shadowed(routes []*unstructured.Unstructured, service *unstructured.Unstructured, on Service, from Callers) error {
	for _, route := range routes {
		namespace := route.GetNamespace()
		if namespace != on.Namespace && from.Namespace != "" && namespace != from.Namespace {
			continue
		}
		for _, parent := range objectsAt(route.Object, "spec", "parentRefs") {
			if isParent(parent, namespace, service) && samePort(parent, on.Port) {
				return fmt.Errorf("%s has it as a parent, and rules its requests in the place of VirtualServices, "+
					"or beside them: faultline edits only VirtualServices; use the upstream site", refOf(route))
			}
		}
	}
	return nil
}

// isParent says whether a parentRef of a route in namespace is the service.
func isParent(parent object, namespace string, service *unstructured.Unstructured) bool {
	if other := at[string](parent, "namespace"); other != "" {
		namespace = other
	}
	kind, group := at[string](parent, "kind"), at[string](parent, "group")
	wanted := ""
	if service.GetKind() == kindServiceEntry {
		wanted = istioGroup
	}
	return kind == service.GetKind() && group == wanted && parent["name"] == service.GetName() && namespace == service.GetNamespace()
}

// samePort says whether a parentRef is for a port, of which 0 is any.
func samePort(parent object, port int) bool {
	asked := at[int64](parent, "port")
	return asked == 0 || port == 0 || asked == int64(port)
}
