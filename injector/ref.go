package injector

import (
	"fmt"
	"regexp"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	istioGroup         = "networking.istio.io"
	gatewayGroup       = "gateway.networking.k8s.io"
	kindVirtualService = "VirtualService"
	kindEnvoyFilter    = "EnvoyFilter"
	kindServiceEntry   = "ServiceEntry"
)

// The resources this package reads and writes.
var (
	virtualServices  = schema.GroupVersionResource{Group: istioGroup, Version: "v1", Resource: "virtualservices"}
	envoyFilters     = schema.GroupVersionResource{Group: istioGroup, Version: "v1alpha3", Resource: "envoyfilters"}
	destinationRules = schema.GroupVersionResource{Group: istioGroup, Version: "v1", Resource: "destinationrules"}
	serviceEntries   = schema.GroupVersionResource{Group: istioGroup, Version: "v1", Resource: "serviceentries"}
	gateways         = schema.GroupVersionResource{Group: istioGroup, Version: "v1", Resource: "gateways"}
	httpRoutes       = schema.GroupVersionResource{Group: gatewayGroup, Version: "v1", Resource: "httproutes"}
	grpcRoutes       = schema.GroupVersionResource{Group: gatewayGroup, Version: "v1", Resource: "grpcroutes"}
	services         = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	kubeNamespaces   = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	pods             = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
)

// How objects that a run creates are named.
var (
	createdPattern     = regexp.MustCompile(`^faultline-([0-9a-f]{4,32})-.+$`)
	envoyFilterPattern = regexp.MustCompile(`^faultline\.([0-9a-f]{4,32})(-[0-9]+)?$`)
)

// Ref names an object in the mesh. Refs are comparable.
type Ref struct {
	Kind      string // "VirtualService", "EnvoyFilter", "ServiceEntry" or "Lease"
	Namespace string
	Name      string
}

// String returns "Kind namespace/name".
func (r Ref) String() string { return r.Kind + " " + r.Namespace + "/" + r.Name }

func refOf(obj *unstructured.Unstructured) Ref {
	return Ref{Kind: obj.GetKind(), Namespace: obj.GetNamespace(), Name: obj.GetName()}
}

// resource returns where objects of r's kind are found in the API.
func (r Ref) resource() (schema.GroupVersionResource, error) {
	switch r.Kind {
	case kindVirtualService:
		return virtualServices, nil
	case kindEnvoyFilter:
		return envoyFilters, nil
	case kindServiceEntry:
		return serviceEntries, nil
	case kindLease:
		return leases, nil
	}
	return schema.GroupVersionResource{}, fmt.Errorf("%s: faultline edits only %s, %s and %s",
		r, kindVirtualService, kindEnvoyFilter, kindServiceEntry)
}

// creator returns the run that an object of this name was created by, or "".
func (r Ref) creator() string {
	pattern := createdPattern
	switch r.Kind {
	case kindEnvoyFilter:
		pattern = envoyFilterPattern
	case kindLease:
		pattern = leasePattern
	}
	if found := pattern.FindStringSubmatch(r.Name); found != nil {
		return found[1]
	}
	return ""
}
