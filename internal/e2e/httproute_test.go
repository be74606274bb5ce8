package e2e

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/faultline-mesh/faultline/injector"
)

// httpRoutes is as much of the Gateway API as the planner reads.
const httpRoutes = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: httproutes.gateway.networking.k8s.io
  annotations: {api-approved.kubernetes.io: "https://github.com/kubernetes-sigs/gateway-api"}
spec:
  group: gateway.networking.k8s.io
  names: {kind: HTTPRoute, plural: httproutes, singular: httproute, listKind: HTTPRouteList}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// Where the API has HTTPRoutes, one that has the service as its parent is found;
// where it has none, that is no matter.
func TestAnHTTPRouteShadows(t *testing.T) {
	in, err := injector.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	plan := func() (injector.Plan, error) {
		faults := inventoryDown(time.Second).Faults
		return in.Plan(t.Context(), injector.NewRunID(), faults, injector.BlastRadius{}, in.Now().Add(time.Hour))
	}
	if p, err := plan(); err != nil || len(p.Notes) > 0 {
		t.Fatalf("without HTTPRoutes: %v, notes %q", err, p.Notes)
	}
	client, err := dynamic.NewForConfig(cluster)
	if err != nil {
		t.Fatal(err)
	}
	crds := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if err := mesh.DeployYAML(t.Context(), httpRoutes); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := crds.Delete(t.Context(), "httproutes.gateway.networking.k8s.io", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	}()
	if _, err := plan(); err != nil {
		t.Errorf("with none of them: %v", err)
	}
	route := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
		"metadata": map[string]any{"name": "inventory", "namespace": "shop"},
		"spec":     map[string]any{"parentRefs": []any{map[string]any{"group": "", "kind": "Service", "name": "inventory"}}},
	}}
	routes := client.Resource(schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"})
	if _, err := routes.Namespace("shop").Create(t.Context(), route, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := plan(); err == nil || !strings.Contains(err.Error(), "HTTPRoute shop/inventory has it as a parent") {
		t.Errorf("with one: %v", err)
	}
}
