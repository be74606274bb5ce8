package preflight

import (
	"encoding/json"
	"fmt"

	meshconfig "istio.io/api/mesh/v1alpha1"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// World is a mesh as its API server describes it. What could not be read is
// missing, and said in Notes. The zero World is an empty mesh.
type World struct {
	Domain string                 // DNS domain of the cluster, such as "cluster.local"
	Root   string                 // root namespace of the mesh, such as "istio-system"
	Mesh   *meshconfig.MeshConfig // as far as it was set; nil when it could not be read

	Namespaces       []*corev1.Namespace
	Services         []*corev1.Service
	Pods             []*corev1.Pod
	VirtualServices  []*networkingv1.VirtualService
	DestinationRules []*networkingv1.DestinationRule
	Gateways         []*networkingv1.Gateway
	ServiceEntries   []*networkingv1.ServiceEntry
	Sidecars         []*networkingv1.Sidecar
	WorkloadEntries  []*networkingv1.WorkloadEntry
	Others           []*unstructured.Unstructured // of any other kind

	Notes  []string // what could not be read, and what that leaves open
	Unread []string // resources of which none could be read, such as "pods"
}

// Add takes objects of any kind into the world. Of objects that a kind's type
// does not fit it takes none; the error names each of them.
func (w *World) Add(objects ...*unstructured.Unstructured) error {
	for _, obj := range objects {
		if err := w.add(obj); err != nil {
			return fmt.Errorf("%s %s/%s: %w", obj.GetKind(), obj.GetNamespace(), obj.GetName(), err)
		}
	}
	return nil
}

func (w *World) add(obj *unstructured.Unstructured) (err error) {
	switch obj.GetKind() {
	case "Namespace":
		err = into(obj, &w.Namespaces)
	case "Service":
		err = into(obj, &w.Services)
	case "Pod":
		err = into(obj, &w.Pods)
	case "VirtualService":
		err = into(obj, &w.VirtualServices)
	case "DestinationRule":
		err = into(obj, &w.DestinationRules)
	case "Gateway":
		err = into(obj, &w.Gateways)
	case "ServiceEntry":
		err = into(obj, &w.ServiceEntries)
	case "Sidecar":
		err = into(obj, &w.Sidecars)
	case "WorkloadEntry":
		err = into(obj, &w.WorkloadEntries)
	default:
		w.Others = append(w.Others, obj)
	}
	return err
}

// into appends obj in its own type. Fields that the type does not know are
// passed over: a newer mesh may have them.
func into[T any](obj *unstructured.Unstructured, list *[]*T) error {
	text, err := json.Marshal(obj.Object)
	if err != nil {
		return err
	}
	typed := new(T)
	if err := json.Unmarshal(text, typed); err != nil {
		return err
	}
	*list = append(*list, typed)
	return nil
}
