package sabotage

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/faultline-mesh/faultline/observe"
)

// scene is the lab of one sabotaged run: what is done to it is undone after the
// run, the last thing first. Its context outlives that of the test's own.
type scene struct {
	testing.TB
	ctx    context.Context
	client dynamic.Interface
	kube   kubernetes.Interface
	mesh   *observe.Mesh
	work   sync.WaitGroup // what goes on beside the run
	undo   []func()

	between func(http.RoundTripper) http.RoundTripper // between the run and the API server; nil: nothing
}

func newScene(tb testing.TB) *scene {
	tb.Helper()
	client, err := dynamic.NewForConfig(cluster)
	if err != nil {
		tb.Fatal(err)
	}
	kube, err := kubernetes.NewForConfig(cluster)
	if err != nil {
		tb.Fatal(err)
	}
	mesh, err := observe.New(cluster)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := mesh.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &scene{TB: tb, ctx: context.WithoutCancel(tb.Context()), client: client, kube: kube, mesh: mesh}
}

// cluster is how the run reaches the API server.
func (s *scene) cluster() *rest.Config {
	config := rest.CopyConfig(cluster)
	if s.between != nil {
		config.Wrap(s.between)
	}
	return config
}

// restore undoes what was done, once.
func (s *scene) restore() {
	s.Helper()
	s.work.Wait()
	for _, undo := range slices.Backward(s.undo) {
		undo()
	}
	s.undo = nil
}

// kinds are the objects that the sabotage is about.
var kinds = map[string]schema.GroupVersionResource{
	"VirtualService":                 {Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"},
	"DestinationRule":                {Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"},
	"EnvoyFilter":                    {Group: "networking.istio.io", Version: "v1alpha3", Resource: "envoyfilters"},
	"ServiceEntry":                   {Group: "networking.istio.io", Version: "v1", Resource: "serviceentries"},
	"Service":                        {Version: "v1", Resource: "services"},
	"Deployment":                     {Group: "apps", Version: "v1", Resource: "deployments"},
	"ValidatingWebhookConfiguration": {Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"},
}

// in returns the client for objects of a kind in the lab.
func (s *scene) in(kind string) dynamic.ResourceInterface {
	if kind == "ValidatingWebhookConfiguration" {
		return s.client.Resource(kinds[kind])
	}
	return s.client.Resource(kinds[kind]).Namespace("lab")
}

// patch changes an object of the lab, by a JSON merge patch in YAML; the undoing
// brings back what it was.
func (s *scene) patch(kind, name, patch string) {
	s.Helper()
	before, err := s.in(kind).Get(s.ctx, name, metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	body, err := yaml.YAMLToJSON([]byte(patch))
	if err != nil {
		s.Fatal(err)
	}
	if _, err := s.in(kind).Patch(s.ctx, name, types.MergePatchType, body, metav1.PatchOptions{}); err != nil {
		s.Fatal(err)
	}
	s.undo = append(s.undo, func() { s.bringBack(before) })
}

// bringBack makes an object what it was.
func (s *scene) bringBack(before *unstructured.Unstructured) {
	s.Helper()
	api := s.in(before.GetKind())
	eventually(s, "the object is as before", func() bool {
		now, err := api.Get(s.ctx, before.GetName(), metav1.GetOptions{})
		if err != nil {
			s.Fatal(err)
		}
		wanted := before.DeepCopy()
		wanted.SetResourceVersion(now.GetResourceVersion())
		_, err = api.Update(s.ctx, wanted, metav1.UpdateOptions{})
		return err == nil
	})
}

// create creates an object of YAML in the lab; the undoing deletes it.
func (s *scene) create(text string) {
	s.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
		s.Fatal(err)
	}
	if _, err := s.in(obj.GetKind()).Create(s.ctx, obj, metav1.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
	s.undo = append(s.undo, func() { s.remove(obj.GetKind(), obj.GetName()) })
}

// remove deletes an object, and does not mind when it is gone.
func (s *scene) remove(kind, name string) {
	s.Helper()
	_ = s.in(kind).Delete(s.ctx, name, metav1.DeleteOptions{})
}

// pods are the running pods of an app of the lab.
func (s *scene) pods(app string) []corev1.Pod {
	s.Helper()
	list, err := s.kube.CoreV1().Pods("lab").List(s.ctx, metav1.ListOptions{LabelSelector: "app=" + app})
	if err != nil {
		s.Fatal(err)
	}
	if len(list.Items) == 0 {
		s.Fatalf("no pods of %s", app)
	}
	return list.Items
}

// address is where the first pod of an app is reached, past its callers' proxies.
func (s *scene) address(app, port string) string { return s.pods(app)[0].Status.PodIP + ":" + port }

// shown waits until the proxies of an app, or the gateway, have a text in their
// configuration, or have it no longer.
func (s *scene) shown(app, text string, present bool) {
	s.Helper()
	proxies, err := s.mesh.Proxies(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	for _, p := range proxies {
		if p.Labels["app"] != app {
			continue
		}
		eventually(s, text+" in "+p.String(), func() bool {
			dump, err := s.mesh.ConfigDump(s.ctx, p, "")
			return err == nil && strings.Contains(string(dump), text) == present
		})
	}
}

// done waits for a text as shown does, and after the undoing for its going.
func (s *scene) done(app, text string) {
	s.Helper()
	s.shown(app, text, true)
	s.undo = append([]func(){func() { s.shown(app, text, false) }}, s.undo...)
}

// eventually polls.
func eventually(tb testing.TB, what string, check func() bool) {
	tb.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !check(); <-tick.C {
		if time.Now().After(deadline) {
			tb.Fatalf("not within 20 s: %s", what)
		}
	}
}
