package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/faultline-mesh/faultline/injector"
)

// What the promise to undo needs of a real API server: watches by field
// selector, preconditions, clocks, webhooks and rights.

var (
	leases   = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	webhooks = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"}
)

// place is a namespace of a test's own, with a Service that has a
// VirtualService, and one that has none. Nothing runs in it.
type place struct {
	testing.TB
	name   string
	client dynamic.Interface
}

func newPlace(tb testing.TB, name string) *place {
	tb.Helper()
	client, err := dynamic.NewForConfig(cluster)
	if err != nil {
		tb.Fatal(err)
	}
	p := &place{TB: tb, name: name, client: client}
	p.create("", `{apiVersion: v1, kind: Namespace, metadata: {name: `+name+`}}`, "namespaces")
	for _, service := range []string{"ledger", "audit"} {
		p.create(name, `{apiVersion: v1, kind: Service, metadata: {name: `+service+`}, spec: {ports: [{name: http, port: 80}]}}`, "services")
	}
	p.create(name, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ledger}
spec:
  hosts: [ledger]
  http: [{route: [{destination: {host: ledger}}]}]
`, "virtualservices")
	return p
}

// create creates an object of YAML, which goes with the test.
func (p *place) create(namespace, text, resource string) {
	p.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
		p.Fatal(err)
	}
	client := p.client.Resource(obj.GroupVersionKind().GroupVersion().WithResource(resource)).Namespace(namespace)
	if _, err := client.Create(p.Context(), obj, metav1.CreateOptions{FieldManager: "argocd"}); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() {
		err := client.Delete(context.WithoutCancel(p.Context()), obj.GetName(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			p.Error(err)
		}
	})
}

func (p *place) get() *unstructured.Unstructured {
	p.Helper()
	vs, err := p.client.Resource(virtualServices).Namespace(p.name).Get(p.Context(), "ledger", metav1.GetOptions{})
	if err != nil {
		p.Fatal(err)
	}
	return vs
}

// content is what a revert must bring back.
func (p *place) content() string {
	p.Helper()
	vs := p.get()
	for _, field := range []string{"managedFields", "resourceVersion", "generation"} {
		unstructured.RemoveNestedField(vs.Object, "metadata", field)
	}
	text, err := json.Marshal(vs)
	if err != nil {
		p.Fatal(err)
	}
	return string(text)
}

// update changes the VirtualService as a controller does.
func (p *place) update(change func(*unstructured.Unstructured)) error {
	p.Helper()
	vs := p.get()
	change(vs)
	_, err := p.client.Resource(virtualServices).Namespace(p.name).Update(p.Context(), vs, metav1.UpdateOptions{FieldManager: "argocd"})
	return err
}

// apply brings back the manifest that a repository has.
func (p *place) apply() {
	p.Helper()
	err := p.update(func(vs *unstructured.Unstructured) {
		vs.SetAnnotations(nil)
		vs.SetLabels(nil)
		vs.Object["spec"].(map[string]any)["http"] = []any{map[string]any{
			"route": []any{map[string]any{"destination": map[string]any{"host": "ledger"}}},
		}}
	})
	if err != nil {
		p.Fatal(err)
	}
}

func newInjector(tb testing.TB, config *rest.Config, options ...injector.Option) *injector.Injector {
	tb.Helper()
	in, err := injector.New(config, options...)
	if err != nil {
		tb.Fatal(err)
	}
	return in
}

// faults are on the Service with routes, and on the one without.
func (p *place) faults() []injector.Fault {
	var faults []injector.Fault
	for _, service := range []string{"ledger", "audit"} {
		faults = append(faults, injector.Fault{
			On:   injector.Service{Namespace: p.name, Name: service},
			Site: injector.Caller, Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
		})
	}
	return faults
}

func (p *place) inject(in *injector.Injector) *injector.Injection {
	p.Helper()
	plan, err := in.Plan(p.Context(), injector.NewRunID(), p.faults(), injector.BlastRadius{}, in.Now().Add(time.Hour))
	if err != nil {
		p.Fatal(err)
	}
	injection, err := in.Inject(p.Context(), plan)
	p.Cleanup(func() {
		if err := injection.Revert(context.WithoutCancel(p.Context())); err != nil {
			p.Error(err)
		}
	})
	if err != nil {
		p.Fatal(err)
	}
	return injection
}

// ends returns why ctx ends, which is to be soon.
func ends(ctx context.Context, tb testing.TB) error {
	tb.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Second):
		tb.Fatal("the context does not end")
	}
	return context.Cause(ctx)
}

func TestAnAppliedManifestIsNoticedWithinASecond(t *testing.T) {
	p := newPlace(t, "evicted")
	injection := p.inject(newInjector(t, cluster))
	ctx, cancel := injection.Context(t.Context())
	defer cancel()
	began := time.Now()
	p.apply()
	applied := p.get()
	evicted, ok := errors.AsType[*injector.EvictedError](ends(ctx, t))
	if !ok || evicted.Run != injection.Run() || evicted.By != "argocd" ||
		evicted.Ref != (injector.Ref{Kind: "VirtualService", Namespace: p.name, Name: "ledger"}) {
		t.Errorf("%v", context.Cause(ctx))
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("noticed after %s", took)
	} else {
		t.Logf("noticed after %s: %v", took, evicted)
	}
	if now := p.get(); now.GetResourceVersion() != applied.GetResourceVersion() {
		t.Errorf("it was fought: %v", now)
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Error(err)
	}
	if now := p.get(); now.GetResourceVersion() != applied.GetResourceVersion() {
		t.Errorf("the revert wrote to an object that had nothing of the run: %v", now)
	}
	noLeftovers(t)
}

func TestADeletedObjectIsAnEviction(t *testing.T) {
	p := newPlace(t, "deleted")
	before := p.content()
	injection := p.inject(newInjector(t, cluster))
	ctx, cancel := injection.Context(t.Context())
	defer cancel()
	ours := injection.Edits()[1].Ref
	if err := p.client.Resource(virtualServices).Namespace(p.name).Delete(t.Context(), ours.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	evicted, ok := errors.AsType[*injector.EvictedError](ends(ctx, t))
	if !ok || evicted.Ref != ours || evicted.Found != "it was deleted" {
		t.Errorf("%v", context.Cause(ctx))
	}
	if err := injection.Revert(t.Context()); err != nil || p.content() != before {
		t.Errorf("%v, left %s", err, p.content())
	}
	noLeftovers(t)
}

// cutting cuts watches off, and lets no new one through, while it is closed.
type cutting struct {
	next   http.RoundTripper
	closed atomic.Bool
	mu     sync.Mutex
	open   []io.Closer
	began  chan struct{} // gets one for each watch
}

func (c *cutting) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.URL.Query().Get("watch") == "" {
		return c.next.RoundTrip(q)
	}
	if c.closed.Load() {
		return nil, errors.New("no watch now")
	}
	resp, err := c.next.RoundTrip(q)
	if err == nil {
		c.mu.Lock()
		c.open = append(c.open, resp.Body)
		c.mu.Unlock()
		c.began <- struct{}{}
	}
	return resp, err
}

func (c *cutting) cut() {
	c.closed.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, body := range c.open {
		_ = body.Close() // that it fails to close is as good
	}
	c.open = nil
}

// A watch that is lost hides nothing: objects are read before the next begins.
func TestAnEvictionWhileTheWatchIsLost(t *testing.T) {
	p := newPlace(t, "unwatched")
	transport := &cutting{began: make(chan struct{}, 100)}
	config := rest.CopyConfig(cluster)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { transport.next = next; return transport })
	injection := p.inject(newInjector(t, config))
	ctx, cancel := injection.Context(t.Context())
	defer cancel()
	for range 2 {
		<-transport.began
	}
	for range 3 { // lost, and back, and nothing happened
		transport.cut()
		transport.closed.Store(false)
		for range 2 {
			<-transport.began
		}
	}
	if ctx.Err() != nil {
		t.Fatalf("ended by the loss of a watch: %v", context.Cause(ctx))
	}
	transport.cut()
	began := time.Now()
	p.apply()
	if evicted, ok := errors.AsType[*injector.EvictedError](ends(ctx, t)); !ok {
		t.Errorf("%v", evicted)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("noticed after %s", took)
	}
}

// A run that can no longer be heard is reaped by another process, and learns
// about it.
func TestASilentRunIsReaped(t *testing.T) {
	p := newPlace(t, "silent")
	before := p.content()
	var deaf atomic.Bool
	config := rest.CopyConfig(cluster)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(q *http.Request) (*http.Response, error) {
			if deaf.Load() {
				return nil, errors.New("the network is gone")
			}
			return next.RoundTrip(q)
		})
	})
	injection := p.inject(newInjector(t, config, injector.WithLeaseDuration(3*time.Second)))
	ctx, cancel := injection.Context(t.Context())
	defer cancel()
	other := newInjector(t, cluster)
	if done, err := other.RevertStale(t.Context(), p.name); err != nil || len(done) > 0 {
		t.Fatalf("a live run was reaped: %v, %v", done, err)
	}
	deaf.Store(true)
	lost, ok := errors.AsType[*injector.LeaseLostError](ends(ctx, t))
	if !ok || !strings.Contains(lost.Error(), "the network is gone") {
		t.Errorf("%v", context.Cause(ctx))
	}
	for deadline := time.Now().Add(30 * time.Second); ; { // it turns silent by the server's clock, which has whole seconds
		done, err := other.RevertStale(t.Context(), p.name)
		if err != nil {
			t.Fatal(err)
		}
		if len(done) == 2 {
			t.Logf("reaped: %s", done[0])
			break
		}
		if len(done) > 0 || time.Now().After(deadline) {
			t.Fatalf("reaped %v", done)
		}
	}
	if p.content() != before {
		t.Errorf("left %s", p.content())
	}
	noLeftovers(t)
	deaf.Store(false)
	if err := injection.Revert(t.Context()); err != nil {
		t.Error(err)
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

func TestHaltEndsARunAndHoldsUpTheNext(t *testing.T) {
	p := newPlace(t, "halted")
	in := newInjector(t, cluster)
	injection := p.inject(in)
	ctx, cancel := injection.Context(t.Context())
	defer cancel()
	t.Cleanup(func() {
		if err := in.Release(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	began := time.Now()
	for range 2 {
		if err := in.Halt(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if halted, ok := errors.AsType[*injector.HaltedError](ends(ctx, t)); !ok || halted.Namespace != p.name {
		t.Errorf("%v", context.Cause(ctx))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("noticed after %s", took)
	}
	for namespace, want := range map[string]bool{p.name: true, "shop": true, "istio-system": true, "kube-system": false, "no-such": false} {
		if halted, err := in.Halted(t.Context(), namespace); err != nil || (halted != nil) != want {
			t.Errorf("%s: %v, %v; want %v", namespace, halted, err, want)
		}
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Error(err)
	}
	_, err := in.Plan(t.Context(), injector.NewRunID(), p.faults(), injector.BlastRadius{}, in.Now().Add(time.Hour))
	if _, ok := errors.AsType[*injector.HaltedError](err); !ok {
		t.Errorf("a plan under a halt flag: %v", err)
	}
	noLeftovers(t)
	if err := in.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	flags, err := p.client.Resource(leases).List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=faultline-halt"})
	if err != nil || len(flags.Items) > 0 {
		t.Errorf("%v, %d flags left", err, len(flags.Items))
	}
	if err := p.inject(in).Revert(t.Context()); err != nil {
		t.Error(err)
	}
}

// While istiod's webhook is down the API server refuses every change of a
// VirtualService. That must be told, with what to do; and what needs no webhook
// must be done all the same.
func TestRevertWhileTheWebhookIsDown(t *testing.T) {
	p := newPlace(t, "unvalidated")
	before := p.content()
	injection := p.inject(newInjector(t, cluster))
	p.webhook("https://127.0.0.1:1/validate")
	p.await("failed calling webhook")
	budget, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err := injection.Revert(budget)
	left, ok := errors.AsType[*injector.NotRevertedError](err)
	if !ok || len(left.Refs) != 1 || left.Refs[0].Name != "ledger" {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"mostly istiod, which validates Istio's objects, is down", "set failurePolicy", "connection refused"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	t.Log(err)
	p.unhook()
	p.await("")
	if err := injection.Revert(t.Context()); err != nil || p.content() != before {
		t.Errorf("%v, left %s", err, p.content())
	}
	noLeftovers(t)
}

// A VirtualService whose owner took every other route out cannot be written back
// without the run's: istiod takes none without routes.
func TestRevertOfAVirtualServiceWithoutRoutes(t *testing.T) {
	p := newPlace(t, "routeless")
	injection := p.inject(newInjector(t, cluster))
	var own []any
	err := p.update(func(vs *unstructured.Unstructured) {
		spec := vs.Object["spec"].(map[string]any)
		routes := spec["http"].([]any)
		spec["http"], own = routes[:1], routes[1:]
	})
	if err != nil {
		t.Fatal(err)
	}
	err = injection.Revert(t.Context())
	if left, ok := errors.AsType[*injector.NotRevertedError](err); !ok || len(left.Refs) != 1 ||
		!strings.Contains(err.Error(), "and Istio takes no VirtualService without routes: delete it, or give it a route of your own") ||
		!strings.Contains(err.Error(), "http, tcp or tls must be provided in virtual service") {
		t.Errorf("got %v", err)
	}
	err = p.update(func(vs *unstructured.Unstructured) {
		spec := vs.Object["spec"].(map[string]any)
		spec["http"] = append(spec["http"].([]any), own...)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Error(err)
	}
	noLeftovers(t)
}

// webhook has the API server ask a URL about the Istio objects of the place, as
// istiod's own webhook has.
func (p *place) webhook(url string) {
	p.Helper()
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
		"metadata": map[string]any{"name": p.name},
		"webhooks": []any{map[string]any{
			"name": "rev.validation.istio.io", "clientConfig": map[string]any{"url": url}, "failurePolicy": "Fail",
			"sideEffects": "None", "admissionReviewVersions": []any{"v1"}, "timeoutSeconds": 2,
			"namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": p.name}},
			"rules": []any{map[string]any{
				"apiGroups": []any{"networking.istio.io"}, "apiVersions": []any{"*"}, "resources": []any{"*"},
				"operations": []any{"CREATE", "UPDATE"},
			}},
		}},
	})
	if err != nil {
		p.Fatal(err)
	}
	p.create("", string(text), "validatingwebhookconfigurations")
}

func (p *place) unhook() {
	p.Helper()
	if err := p.client.Resource(webhooks).Delete(p.Context(), p.name, metav1.DeleteOptions{}); err != nil {
		p.Fatal(err)
	}
}

// dryRun says what would become of an update.
func (p *place) dryRun(change func(*unstructured.Unstructured)) error {
	p.Helper()
	vs := p.get()
	change(vs)
	_, err := p.client.Resource(virtualServices).Namespace(p.name).
		Update(p.Context(), vs, metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// await waits until updates are answered with an error that has want in it, or
// with "" are not refused: the API server takes a moment to see a webhook.
func (p *place) await(want string) {
	p.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		err = p.dryRun(func(vs *unstructured.Unstructured) { vs.SetLabels(map[string]string{"tried": "now"}) })
		if err == nil && want == "" || err != nil && want != "" && strings.Contains(err.Error(), want) {
			return
		}
	}
	p.Fatalf("updates are still answered with %v, want %q", err, want)
}

// A namespace that is being deleted takes no new objects, but lets the old ones
// be put right.
func TestRevertInATerminatingNamespace(t *testing.T) {
	p := newPlace(t, "leaving")
	before := p.content()
	in := newInjector(t, cluster)
	injection := p.inject(in)
	namespaces := schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	if err := p.client.Resource(namespaces).Delete(t.Context(), p.name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := injection.Revert(t.Context()); err != nil || p.content() != before {
		t.Errorf("%v, left %s", err, p.content())
	}
	plan, err := in.Plan(t.Context(), injector.NewRunID(), p.faults(), injector.BlastRadius{}, in.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Inject(t.Context(), plan); !apierrors.IsForbidden(err) || !strings.Contains(fmt.Sprint(err), "being terminated") {
		t.Errorf("an injection there: %v", err)
	}
	noLeftovers(t)
}

// With rights in one namespace only, a run there is found and reverted; what
// cannot be looked at is told, with the missing right.
func TestRevertWithRightsInOneNamespace(t *testing.T) {
	p := newPlace(t, "confined")
	before := p.content()
	p.create(p.name, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reverter}
rules:
- {apiGroups: [networking.istio.io], resources: [virtualservices, envoyfilters, serviceentries], verbs: [get, list, update, delete]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, list, delete]}
`, "roles")
	p.create(p.name, `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reverter}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reverter}
subjects: [{kind: User, name: reverter}]
`, "rolebindings")
	config := rest.CopyConfig(cluster)
	config.Impersonate = rest.ImpersonationConfig{UserName: "reverter"}
	confined := newInjector(t, config)
	injection := p.inject(newInjector(t, cluster))
	ctx, cancel := injection.Context(t.Context())
	defer cancel()

	err := confined.RevertRun(t.Context(), injection.Run())
	_, ok := errors.AsType[*injector.NotRevertedError](err)
	for _, want := range []string{`cannot list resource "virtualservices"`, `cannot list resource "leases"`} {
		if !ok || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("in all namespaces: %v\nwant NOT REVERTED with %q", err, want)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; { // until the API server has seen the Role
		if err = confined.RevertRun(t.Context(), injection.Run(), p.name); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil || p.content() != before {
		t.Errorf("%v, left %s", err, p.content())
	}
	noLeftovers(t)
	_, evicted := errors.AsType[*injector.EvictedError](ends(ctx, t))
	_, lost := errors.AsType[*injector.LeaseLostError](context.Cause(ctx))
	if !evicted && !lost {
		t.Errorf("the run that was reverted from outside: %v", context.Cause(ctx))
	}
}
