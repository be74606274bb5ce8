package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

var virtualServices = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}

// ownersMesh is the mesh that the table is held against.
type ownersMesh struct {
	*testing.T
	client  dynamic.Interface
	in      *injector.Injector
	observe *observe.Mesh
	callers map[string]observe.Proxy // "shop", "web" and "gateway"
	rounds  int
}

func newOwnersMesh(t *testing.T, cases []ownerCase) *ownersMesh {
	t.Helper()
	m := &ownersMesh{T: t, callers: map[string]observe.Proxy{}}
	var err error
	world := ownersWorld(cases)
	if err := mesh.DeployYAML(t.Context(), world); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.remove(world) }) // a hundred services would slow every proxy of the tests that follow
	config := rest.CopyConfig(cluster)
	config.WarningHandler = rest.NoWarnings{}
	config.QPS, config.Burst = 1000, 1000
	if m.client, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if m.in, err = injector.New(config); err != nil {
		t.Fatal(err)
	}
	if m.observe, err = observe.New(cluster); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.observe.Close() })
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); len(m.callers) != 3; <-tick.C {
		if m.find(); time.Now().After(deadline) {
			t.Fatalf("callers %v", m.callers)
		}
	}
	m.until("every service is known", func(caller, dump string) bool {
		known := func(name string) bool { return strings.Contains(dump, name+".shop.svc.cluster.local:8081") }
		return caller == "gateway" || known(id(0)) && known(id(len(cases)-1))
	})
	return m
}

// find looks for the callers.
func (m *ownersMesh) find() {
	m.Helper()
	proxies, err := m.observe.Proxies(m.Context())
	if err != nil {
		m.Fatal(err)
	}
	for _, p := range proxies {
		switch {
		case p.Gateway:
			m.callers["gateway"] = p
		case p.Labels["app"] == "checkout":
			m.callers["shop"] = p
		case p.Namespace == "web":
			m.callers["web"] = p
		}
	}
}

// until looks at all callers, side by side, until each has what is wanted.
func (m *ownersMesh) until(what string, has func(caller, dump string) bool) map[string]string {
	m.Helper()
	dumps := map[string]string{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for caller, proxy := range m.callers {
		group.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
				dump, err := m.observe.ConfigDump(m.Context(), proxy, "resource=dynamic_route_configs")
				if err == nil && has(caller, string(dump)) {
					mu.Lock()
					dumps[caller] = string(dump)
					mu.Unlock()
					return
				}
				if time.Now().After(deadline) {
					m.Errorf("%s: not so in the proxy of %s: %v", what, caller, err)
					return
				}
			}
		})
	}
	group.Wait()
	if m.Failed() {
		m.FailNow()
	}
	return dumps
}

// apply creates the cases' objects, those of a later day in a later second, as
// the API server dates them. Those of ties come first in their second.
func (m *ownersMesh) apply(cases map[int]ownerCase) {
	m.Helper()
	ties := func(a, b int) int {
		return map[bool]int{true: 0, false: 1}[cases[a].Tie] - map[bool]int{true: 0, false: 1}[cases[b].Tie]
	}
	order := slices.SortedStableFunc(maps.Keys(cases), ties)
	const days = 3
	begun := false
	for day := 1; day <= days; day++ {
		waited := false
		for _, n := range order {
			for ref, spec := range cases[n].Objects {
				if made, _ := spec["day"].(float64); max(1, int(made)) != day {
					continue
				}
				if !waited && (begun || cases[n].Tie) {
					m.nextSecond()
				}
				waited, begun = true, true
				m.create(n, ref, spec)
			}
		}
	}
}

// create creates one VirtualService of a case.
func (m *ownersMesh) create(n int, ref string, spec map[string]any) {
	m.Helper()
	spec = maps.Clone(spec)
	delete(spec, "day")
	if spec["http"] == nil {
		spec["http"] = []any{map[string]any{"route": []any{map[string]any{"destination": map[string]any{"host": id(n)}}}}}
	}
	namespace, name, _ := strings.Cut(ref, "/")
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
		"metadata": map[string]any{"namespace": namespace, "name": name + "-" + id(n), "labels": map[string]any{"e2e": "owners"}},
		"spec":     spec,
	}}
	text, err := json.Marshal(obj.Object)
	if err != nil {
		m.Fatal(err)
	}
	// Delegates are called by their names here.
	text = []byte(strings.ReplaceAll(string(text), `"name":"child"`, `"name":"child-`+id(n)+`"`))
	if err := obj.UnmarshalJSON(text); err != nil {
		m.Fatal(err)
	}
	if _, err := m.client.Resource(virtualServices).Namespace(namespace).Create(m.Context(), obj, metav1.CreateOptions{}); err != nil {
		m.Errorf("create %s of %s: %v", ref, id(n), err)
	}
}

// nextSecond waits for a new second of the clock by which objects are dated.
func (m *ownersMesh) nextSecond() {
	m.Helper()
	timer := time.NewTimer(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.Context().Done():
		m.Fatal(m.Context().Err())
	}
}

// settle returns the callers' routes once all that was written is in force:
// istiod takes VirtualServices in the order in which they were written.
func (m *ownersMesh) settle() map[string]string {
	m.Helper()
	m.rounds++
	round := fmt.Sprintf("round-%d", m.rounds)
	obj := &unstructured.Unstructured{}
	text := fmt.Sprintf(`{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: sentinel, namespace: shop},
spec: {hosts: [sentinel, sentinel.example], gateways: [mesh, public], http: [{name: %s, directResponse: {status: 200}}]}}`, round)
	if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
		m.Fatal(err)
	}
	sentinels := m.client.Resource(virtualServices).Namespace("shop")
	if _, err := sentinels.Apply(m.Context(), "sentinel", obj, metav1.ApplyOptions{FieldManager: "e2e"}); err != nil {
		m.Fatal(err)
	}
	return m.until(round, func(_, dump string) bool { return strings.Contains(dump, `"`+round+`"`) })
}

// clear deletes the objects of all cases.
func (m *ownersMesh) clear() {
	m.Helper()
	for _, namespace := range []string{"shop", "web", "infra"} {
		err := m.client.Resource(virtualServices).Namespace(namespace).
			DeleteCollection(m.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "e2e=owners"})
		if err != nil {
			m.Error(err)
		}
	}
}

// remove deletes the objects of world, less its namespaces.
func (m *ownersMesh) remove(world string) {
	m.Helper()
	kinds := map[string]schema.GroupVersionResource{
		"Service":      {Version: "v1", Resource: "services"},
		"Deployment":   {Group: "apps", Version: "v1", Resource: "deployments"},
		"ServiceEntry": virtualServices.GroupVersion().WithResource("serviceentries"),
		"Gateway":      virtualServices.GroupVersion().WithResource("gateways"),
	}
	for text := range strings.SplitSeq(world, "\n---\n") {
		var obj unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
			m.Fatal(err)
		}
		kind, deletable := kinds[obj.GetKind()]
		if !deletable {
			continue
		}
		err := m.client.Resource(kind).Namespace(obj.GetNamespace()).
			Delete(context.WithoutCancel(m.Context()), obj.GetName(), metav1.DeleteOptions{})
		if err != nil {
			m.Error(err)
		}
	}
}

// inject puts all the plans' faults in, looks that each is where it says and
// nowhere else, and takes them out again.
func (m *ownersMesh) inject(plans map[string]injector.Plan) {
	m.Helper()
	before := m.content()
	var injections []*injector.Injection
	for claim, plan := range plans {
		injection, err := m.in.Inject(m.Context(), plan)
		injections = append(injections, injection)
		if err != nil {
			m.Errorf("%s: %v", claim, err)
		}
	}
	dumps := m.settle()
	for claim, plan := range plans {
		for _, edit := range plan.Edits {
			for caller, p := range m.callers {
				made, shown := edit.MadeIn(p.Namespace, p.Pod, p.Labels, p.Gateway), edit.ShownIn([]byte(dumps[caller]))
				if p.Gateway && !made && edit.Before != nil && isBound(edit.Before) {
					continue // at a gateway it is for all callers, but not waited for
				}
				if made != shown {
					m.Errorf("%s: the fault in %s is to be in the proxy of %s: %v; it is there: %v", claim, edit.Ref, caller, made, shown)
				}
			}
		}
	}
	for _, injection := range injections {
		if err := injection.Revert(m.Context()); err != nil {
			m.Error(err)
		}
	}
	if after := m.content(); after != before {
		m.Errorf("reverted to\n%s\nwant\n%s", after, before)
	}
}

// isBound says whether a VirtualService is bound to a gateway too.
func isBound(vs *unstructured.Unstructured) bool {
	gateways, _, _ := unstructured.NestedStringSlice(vs.Object, "spec", "gateways")
	return len(gateways) > 1
}

// content is every VirtualService, without what changes with each write.
func (m *ownersMesh) content() string {
	m.Helper()
	list, err := m.client.Resource(virtualServices).List(m.Context(), metav1.ListOptions{})
	if err != nil {
		m.Fatal(err)
	}
	var all []string
	for _, vs := range list.Items {
		if vs.GetName() == "sentinel" {
			continue
		}
		for _, field := range []string{"resourceVersion", "generation", "managedFields"} {
			unstructured.RemoveNestedField(vs.Object, "metadata", field)
		}
		text, err := json.Marshal(vs.Object)
		if err != nil {
			m.Fatal(err)
		}
		all = append(all, string(text))
	}
	return strings.Join(all, "\n")
}
