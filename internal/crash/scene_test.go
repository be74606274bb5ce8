package crash

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/faultline-mesh/faultline/injector"
)

var (
	virtualServices = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
	envoyFilters    = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1alpha3", Resource: "envoyfilters"}
	serviceEntries  = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "serviceentries"}
	leases          = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	services        = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	pods            = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	roles           = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"}
	roleBindings    = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"}
	namespaces      = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
)

// cast is how many services of each of three kinds a scene has: routed ones have
// a VirtualService of a user's, bare ones have none (a run that faults one
// creates it, and then no other run can), and upstream ones have pods with a
// proxy.
type cast struct {
	routed, bare, upstream int
}

// userRoutes are the VirtualService of a routed service, in three shapes: %[1]s
// is its name.
var userRoutes = []string{
	`
metadata:
  name: %[1]s
  labels: {app: %[1]s}
  annotations: {team: "crash", note: "a: b, \"c\"\n"}
spec:
  hosts: [%[1]s]
  http:
  - name: canary
    match:
    - {headers: {x-canary: {exact: "true"}}, uri: {prefix: /v2}}
    - {queryParams: {beta: {regex: "[a-z]+"}}, sourceLabels: {app: web}}
    route: [{destination: {host: %[1]s}, weight: 90}, {destination: {host: bare-0}, weight: 10}]
    retries: {attempts: 2, perTryTimeout: 0.5s}
    timeout: 2s
  - match: [{uri: {exact: /old}}]
    redirect: {uri: /new}
  - route: [{destination: {host: %[1]s}}]
`, `
metadata: {name: %[1]s}
spec:
  hosts: [%[1]s]
  http:
  - route: [{destination: {host: %[1]s}, headers: {response: {set: {x-a: b}}}}]
`, `
metadata: {name: %[1]s, labels: {a: b}}
spec:
  hosts: [%[1]s, other.example]
  exportTo: ["*"]
  http:
  - match: [{withoutHeaders: {baggage: {prefix: a}}}]
    mirror: {host: bare-1}
    mirrorPercentage: {value: 0.5}
    route: [{destination: {host: %[1]s, port: {number: 80}}}]
  - name: rest
    rewrite: {uri: /x}
    route: [{destination: {host: %[1]s}}]
`,
}

// scene is a namespace with objects that faults are made on, and what they would
// be had only users ever touched them.
type scene struct {
	namespace string
	cast      cast
	client    dynamic.Interface

	mu   sync.Mutex
	want map[string]*unstructured.Unstructured // VirtualServices by name
	kept map[string]string                     // objects that users gave a name of ours; their resources
}

func newScene(tb testing.TB, namespace string, cast cast) *scene {
	tb.Helper()
	s := &scene{
		namespace: namespace, cast: cast, client: newClient(tb),
		want: map[string]*unstructured.Unstructured{}, kept: map[string]string{},
	}
	s.create(tb, namespaces, fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s}}", namespace))
	for n := range s.cast.routed {
		s.service(tb, fmt.Sprint("routed-", n))
	}
	s.route(tb)
	for n := range cast.bare {
		s.service(tb, fmt.Sprint("bare-", n))
	}
	for n := range cast.upstream {
		name := fmt.Sprint("upstream-", n)
		s.service(tb, name)
		for _, suffix := range []string{"a", "b"} {
			s.pod(tb, name, suffix)
		}
	}
	return s
}

// route creates the VirtualServices of users.
func (s *scene) route(tb testing.TB) {
	tb.Helper()
	for n := range s.cast.routed {
		name := fmt.Sprint("routed-", n)
		s.want[name] = s.create(tb, virtualServices,
			"apiVersion: networking.istio.io/v1\nkind: VirtualService"+fmt.Sprintf(userRoutes[n%len(userRoutes)], name))
	}
}

func (s *scene) service(tb testing.TB, name string) {
	tb.Helper()
	s.create(tb, services, fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {name: %[1]s}, spec: {
		selector: {app: %[1]s}, clusterIP: None, ports: [{name: http, port: 80, targetPort: 8080}]}}`, name))
}

// pod creates a Pod that no node has, and says that it runs.
func (s *scene) pod(tb testing.TB, service, suffix string) {
	tb.Helper()
	pod := s.create(tb, pods, fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: %[1]s-%[2]s, labels: {app: %[1]s}},
		spec: {containers: [{name: app, image: none}, {name: istio-proxy, image: none}]}}`, service, suffix))
	if err := unstructured.SetNestedField(pod.Object, "Running", "status", "phase"); err != nil {
		tb.Fatal(err)
	}
	if _, err := s.client.Resource(pods).Namespace(s.namespace).UpdateStatus(tb.Context(), pod, metav1.UpdateOptions{}); err != nil {
		tb.Fatal(err)
	}
}

func (s *scene) create(tb testing.TB, resource schema.GroupVersionResource, text string) *unstructured.Unstructured {
	tb.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	var to dynamic.ResourceInterface = s.client.Resource(resource)
	if resource != namespaces {
		to = s.client.Resource(resource).Namespace(s.namespace)
	}
	stored, err := to.Create(tb.Context(), obj, metav1.CreateOptions{FieldManager: "crash-test"})
	if err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	return stored
}

// edit does to a VirtualService what a user does, and notes it.
func (s *scene) edit(ctx context.Context, name string, do func(vs *unstructured.Unstructured)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		live, err := s.client.Resource(virtualServices).Namespace(s.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		do(live)
		_, err = s.client.Resource(virtualServices).Namespace(s.namespace).Update(ctx, live, metav1.UpdateOptions{FieldManager: "a-user"})
		if err == nil {
			do(s.want[name])
			return nil
		}
		if !apierrors.IsConflict(err) {
			return err
		}
	}
}

// renew gives the scene objects as they were at first, after a check failed.
func (s *scene) renew(tb testing.TB) {
	tb.Helper()
	for _, resource := range []schema.GroupVersionResource{virtualServices, envoyFilters, leases} {
		if err := s.client.Resource(resource).Namespace(s.namespace).
			DeleteCollection(tb.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
			tb.Fatal(err)
		}
	}
	s.kept = map[string]string{}
	s.route(tb)
}

// foreignEdits are what people and their tools do to a VirtualService while runs
// are on it. Each does the same to users' things with and without ours between.
var foreignEdits = []func(vs *unstructured.Unstructured, n int){
	func(vs *unstructured.Unstructured, n int) { // somebody tunes a timeout
		users := usersRoutes(vs)
		users[n%len(users)].(map[string]any)["timeout"] = fmt.Sprint(1+n, "s")
	},
	func(vs *unstructured.Unstructured, n int) { // a route comes or goes at the end
		name := fmt.Sprint("extra-", n%2)
		routes := routesOf(vs)
		if at := slices.IndexFunc(routes, func(r any) bool { return r.(map[string]any)["name"] == name }); at >= 0 {
			setRoutes(vs, slices.Delete(slices.Clone(routes), at, at+1))
			return
		}
		setRoutes(vs, append(routes, map[string]any{
			"name":  name,
			"route": []any{map[string]any{"destination": map[string]any{"host": "bare-1"}}},
		}))
	},
	func(vs *unstructured.Unstructured, n int) { // a pipeline notes its build
		annotations := vs.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations["build"] = fmt.Sprint(n)
		vs.SetAnnotations(annotations)
	},
	func(vs *unstructured.Unstructured, n int) { // a label comes or goes
		labels := vs.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		if key := fmt.Sprint("label-", n%2); labels[key] == "" {
			labels[key] = "x"
		} else {
			delete(labels, key)
		}
		vs.SetLabels(labels)
	},
	func(vs *unstructured.Unstructured, _ int) { // a controller applies its routes again
		setRoutes(vs, usersRoutes(vs))
	},
	func(vs *unstructured.Unstructured, _ int) { // somebody cleans up annotations he does not know
		annotations := vs.GetAnnotations()
		for key := range annotations {
			if strings.HasPrefix(key, "faultline.dev/") {
				delete(annotations, key)
			}
		}
		vs.SetAnnotations(annotations)
	},
}

func usersRoutes(vs *unstructured.Unstructured) []any {
	return slices.DeleteFunc(slices.Clone(routesOf(vs)), isOurs)
}

// randomTargets picks the services of the n-th run of a batch, each at most once.
func (c cast) randomTargets(n int, pick func(n int) int) []target {
	shapes := []shape{plain, plain, hole, ramp}
	all := []target{
		{fmt.Sprint("routed-", pick(c.routed)), injector.Caller, shapes[pick(len(shapes))]},
		{fmt.Sprint("bare-", n), injector.Caller, shapes[pick(len(shapes))]},
		{fmt.Sprint("upstream-", pick(c.upstream)), injector.Upstream, plain},
		{fmt.Sprint("routed-", pick(c.routed)), injector.Caller, plain},
	}
	if all[3].Name == all[0].Name {
		all = all[:3]
	}
	first := pick(len(all))
	return slices.Concat(all[first:], all[:first])[:1+pick(len(all))]
}
