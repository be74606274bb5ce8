package preflight

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/faultline-mesh/faultline/meshtest"
)

// guarded is an API server that lets some paths be read: empty lists, but for a
// Service shop/payments. Of others it says that they are forbidden, or that there
// is no such resource.
func guarded(t *testing.T, forbids func(path string) bool, unknown string) *rest.Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer := emptyList(r.URL.Path)
		switch {
		case strings.HasSuffix(r.URL.Path, unknown):
			w.WriteHeader(http.StatusNotFound)
			answer = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`
		case forbids(r.URL.Path):
			w.WriteHeader(http.StatusForbidden)
			answer = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}`
		case strings.HasSuffix(r.URL.Path, "/services") && !strings.Contains(r.URL.Path, "istio-system"):
			answer = `{"kind":"ServiceList","apiVersion":"v1","items":[{"metadata":{"name":"payments","namespace":"shop"}}]}`
		case strings.HasSuffix(r.URL.Path, "/configmaps/istio"):
			answer = `{"kind":"ConfigMap","apiVersion":"v1","data":{"mesh":"rootNamespace: mesh-root\ndefaultHttpRetryPolicy: {attempts: 7}\nofTomorrow: 1"}}`
		case strings.HasSuffix(r.URL.Path, "/namespaces/shop"):
			answer = `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"shop"}}`
		}
		_, _ = w.Write([]byte(answer)) // the client may be gone
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}
}

func emptyList(path string) string {
	kinds := map[string]string{
		"virtualservices": "VirtualService", "destinationrules": "DestinationRule", "gateways": "Gateway", "serviceentries": "ServiceEntry",
		"sidecars": "Sidecar", "workloadentries": "WorkloadEntry", "services": "Service", "pods": "Pod", "namespaces": "Namespace",
	}
	version := "v1"
	if strings.Contains(path, "istio.io") {
		version = "networking.istio.io/v1"
	}
	return fmt.Sprintf(`{"kind":"%sList","apiVersion":%q,"items":[]}`, kinds[path[strings.LastIndex(path, "/")+1:]], version)
}

func TestLook(t *testing.T) {
	w, err := Look(t.Context(), guarded(t, func(string) bool { return false }, "/sidecars"), "shop")
	if err != nil || len(w.Notes) != 0 || len(w.Services) != 1 || w.Root != "mesh-root" || w.Mesh.GetDefaultHttpRetryPolicy().GetAttempts() != 7 {
		t.Errorf("%v: %v", err, w)
	}
}

func TestLookWithFewRights(t *testing.T) {
	inShop := func(path string) bool { return !strings.Contains(path, "/namespaces/shop") }
	w, err := Look(t.Context(), guarded(t, inShop, "-"), "shop")
	want := "ConfigMap istio-system/istio, the configuration of the mesh, must not be read: Istio's defaults are taken to be in effect\n" +
		`destinationrules, gateways, namespaces, pods, serviceentries, services, sidecars, virtualservices, workloadentries could be read in namespaces ["shop"] only: what follows from those elsewhere was not checked`
	if got := strings.Join(w.Notes, "\n"); err != nil || got != want || len(w.Services) != 1 || len(w.Unread) != 0 {
		t.Errorf("%v, %d services, unread %q, notes\n%s", err, len(w.Services), w.Unread, got)
	}
	w, err = Look(t.Context(), guarded(t, func(path string) bool { return strings.Contains(path, "pods") }, "-"), "shop")
	want = "pods could not be read: what follows from them was not checked"
	if got := strings.Join(w.Notes, "\n"); err != nil || got != want || strings.Join(w.Unread, "") != "pods" {
		t.Errorf("%v, unread %q, notes\n%s", err, w.Unread, got)
	}
}

func TestLookAtNothing(t *testing.T) {
	if _, err := Look(t.Context(), &rest.Config{Host: "http://127.0.0.1:1"}); err == nil {
		t.Error("a cluster that does not answer is no error")
	}
}

// BenchmarkLook is the time to read a mesh of 1,000 services, 1,000
// VirtualServices, 1,000 DestinationRules and 2,000 pods from a real API server,
// and to check an experiment in it.
func BenchmarkLook(b *testing.B) {
	mesh := &meshtest.Mesh{}
	if err := mesh.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := mesh.Stop(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	create(b, mesh.Config(), 1000)
	q := amongMany()
	q.Claims = nil // the pods are nobody's to start
	for b.Loop() {
		w, err := Look(b.Context(), mesh.Config(), "shop")
		if r := Check(q, w); err != nil || len(w.Notes) > 0 || len(w.Pods) < 2000 || len(r.Hops) == 0 {
			b.Fatalf("%v, %q, %d pods, hops %v", err, w.Notes, len(w.Pods), r.Hops)
		}
	}
}

// create makes the objects of so many services.
func create(b *testing.B, config *rest.Config, services int) {
	b.Helper()
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	resources := map[string]string{"Service": "services", "Pod": "pods", "VirtualService": "virtualservices", "DestinationRule": "destinationrules"}
	shop := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "shop"}}}
	if _, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Create(b.Context(), shop, metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	var group errgroup.Group
	group.SetLimit(16)
	thousand(services, func(document string) {
		group.Go(func() error {
			obj := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &obj.Object); err != nil {
				return err
			}
			if obj.GetKind() == "Pod" {
				obj.Object["spec"].(map[string]any)["nodeName"] = "elsewhere"
			}
			resource := obj.GroupVersionKind().GroupVersion().WithResource(resources[obj.GetKind()])
			_, err := client.Resource(resource).Namespace("shop").Create(b.Context(), obj, metav1.CreateOptions{})
			return err
		})
	})
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}
