package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/faultline-mesh/faultline/injector"
)

// noticedIn is how soon an eviction must be noticed. It is meant to be within a
// second; the rest is for machines that are busy.
const noticedIn = 5 * time.Second

// route is a VirtualService for the Service unrouted, as a user keeps it in Git.
const route = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: unrouted
  namespace: shop
  labels: {team: stock}
spec:
  hosts: [unrouted]
  http:
  - name: users
    timeout: 3s
    route: [{destination: {host: unrouted}}]
`

// shared is one VirtualService that others write while it carries a fault.
type shared struct {
	*testing.T
	api    dynamic.ResourceInterface
	in     *injector.Injector
	before string // its content before any fault
}

// newShared creates the VirtualService by a function that applies a manifest.
func newShared(t *testing.T, create func(s *shared, manifest string) error) *shared {
	t.Helper()
	client, err := dynamic.NewForConfig(cluster)
	if err != nil {
		t.Fatal(err)
	}
	in, err := injector.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	virtualServices := schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
	s := &shared{T: t, api: client.Resource(virtualServices).Namespace("shop"), in: in}
	unrouted(t)
	if err := create(s, route); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := s.api.Delete(context.WithoutCancel(t.Context()), "unrouted", metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
		noLeftovers(t)
	})
	s.before = s.content()
	return s
}

func (s *shared) get() *unstructured.Unstructured {
	s.Helper()
	obj, err := s.api.Get(s.Context(), "unrouted", metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return obj
}

// contentOf is what must come back: spec and metadata, less what the API server
// keeps for itself.
func contentOf(tb testing.TB, obj *unstructured.Unstructured) string {
	tb.Helper()
	obj = obj.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "generation"} {
		unstructured.RemoveNestedField(obj.Object, "metadata", field)
	}
	text, err := obj.MarshalJSON()
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func (s *shared) content() string {
	s.Helper()
	return contentOf(s, s.get())
}

// inject puts a fault in. The context ends when somebody evicts it.
func (s *shared) inject() (*injector.Injection, context.Context) {
	s.Helper()
	e := rightsCases()["created"]
	plan, err := s.in.Plan(s.Context(), injector.NewRunID(), e.Faults, e.BlastRadius, s.in.Now().Add(time.Minute))
	if err != nil {
		s.Fatal(err)
	}
	injection, err := s.in.Inject(s.Context(), plan)
	s.Cleanup(func() {
		if err := injection.Revert(context.WithoutCancel(s.Context())); err != nil {
			s.Error(err)
		}
	})
	if err != nil {
		s.Fatal(err)
	}
	ctx, stop := injection.Context(s.Context())
	s.Cleanup(stop)
	if len(s.routesOf(injection.Run())) == 0 {
		s.Fatal("the fault is not there")
	}
	return injection, ctx
}

// routesOf returns the routes of a run that the object has.
func (s *shared) routesOf(run string) []string {
	s.Helper()
	var names []string
	routes, _, err := unstructured.NestedSlice(s.get().Object, "spec", "http")
	if err != nil {
		s.Fatal(err)
	}
	for _, route := range routes {
		if name, _ := route.(map[string]any)["name"].(string); strings.HasPrefix(name, "faultline-"+run) {
			names = append(names, name)
		}
	}
	return names
}

func (s *shared) revert(injection *injector.Injection) {
	s.Helper()
	if err := injection.Revert(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// evicted waits for the eviction, and checks that it is told as by.
func (s *shared) evicted(ctx context.Context, injection *injector.Injection, by string) {
	s.Helper()
	began := time.Now()
	select {
	case <-ctx.Done():
	case <-time.After(noticedIn):
		s.Fatalf("the eviction was not noticed within %s", noticedIn)
	}
	s.Logf("noticed %s after the write was answered", time.Since(began).Round(time.Millisecond))
	evicted, ok := errors.AsType[*injector.EvictedError](context.Cause(ctx))
	if !ok || evicted.Run != injection.Run() || evicted.Ref.Name != "unrouted" || evicted.By != by {
		s.Errorf("got %v, want an eviction of run %s by %s", context.Cause(ctx), injection.Run(), by)
	}
}

// stays checks that nobody has evicted the fault, which a watch would show.
func (s *shared) stays(ctx context.Context, injection *injector.Injection) {
	s.Helper()
	if len(s.routesOf(injection.Run())) != 1 {
		s.Errorf("the fault is gone: %s", s.content())
	}
	if ctx.Err() != nil {
		s.Errorf("an eviction was noticed that is none: %v", context.Cause(ctx))
	}
}

// is checks that the object is what its user made of it, and nobody's else.
func (s *shared) is(want string) {
	s.Helper()
	if got := s.content(); got != want {
		s.Errorf("got  %s\nwant %s", got, want)
	}
	for _, entry := range s.get().GetManagedFields() {
		if entry.Manager == "faultline" {
			s.Errorf("faultline still manages fields: %s", entry.FieldsV1)
		}
	}
}

// kubectlApply is `kubectl apply -f`, the kubectl of this machine doing it when
// there is one. Without one, its patch: a list is replaced by the manifest's.
func kubectlApply(s *shared, manifest string) error {
	if path, err := exec.LookPath("kubectl"); err == nil {
		cmd := exec.CommandContext(s.Context(), path, "apply", "-f", "-")
		cmd.Env = append(os.Environ(), "KUBECONFIG="+mesh.Kubeconfig())
		cmd.Stdin = strings.NewReader(manifest)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return errors.Join(err, errors.New(string(out)))
		}
		return nil
	}
	text, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		return err
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(text); err != nil {
		return err
	}
	obj.SetAnnotations(map[string]string{"kubectl.kubernetes.io/last-applied-configuration": string(text)})
	const manager = "kubectl-client-side-apply"
	_, err = s.api.Create(s.Context(), obj, metav1.CreateOptions{FieldManager: manager})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	text, err = obj.MarshalJSON()
	if err == nil {
		_, err = s.api.Patch(s.Context(), obj.GetName(), types.MergePatchType, text, metav1.PatchOptions{FieldManager: manager})
	}
	return err
}

// serverSide returns what `kubectl apply --server-side`, and Flux, and Argo CD
// when told so, do.
func serverSide(manager string, force bool) func(*shared, string) error {
	return func(s *shared, manifest string) error {
		text, err := yaml.YAMLToJSON([]byte(manifest))
		if err == nil {
			_, err = s.api.Patch(s.Context(), "unrouted", types.ApplyPatchType, text, metav1.PatchOptions{FieldManager: manager, Force: &force})
		}
		return err
	}
}

// asApplied is what becomes of a manifest that nobody but its user writes.
func asApplied(t *testing.T, apply func(*shared, string) error, manifest string) string {
	t.Helper()
	var content string
	t.Run("alone", func(t *testing.T) {
		s := newShared(t, apply)
		if err := apply(s, manifest); err != nil {
			t.Fatal(err)
		}
		obj := s.get()
		obj.SetUID("")
		obj.SetCreationTimestamp(metav1.Time{})
		content = contentOf(t, obj)
	})
	return content
}

// isAsApplied is like is, for an object that was created anew since.
func (s *shared) isAsApplied(want string) {
	s.Helper()
	s.is(s.content())
	obj := s.get()
	obj.SetUID("")
	obj.SetCreationTimestamp(metav1.Time{})
	if got := contentOf(s, obj); got != want {
		s.Errorf("got  %s\nwant %s", got, want)
	}
}

// Two runs on one VirtualService: neither evicts the other, and each takes out
// its own, whoever goes first.
func TestTwoInjectionsOnOneObject(t *testing.T) {
	for name, order := range map[string][]int{"first in, first out": {0, 1}, "last in, first out": {1, 0}} {
		t.Run(name, func(t *testing.T) {
			s := newShared(t, kubectlApply)
			one, oneHeld := s.inject()
			two, twoHeld := s.inject()
			s.stays(oneHeld, one)
			s.stays(twoHeld, two)
			both := []*injector.Injection{one, two}
			s.revert(both[order[0]])
			s.stays([]context.Context{oneHeld, twoHeld}[order[1]], both[order[1]])
			s.revert(both[order[1]])
			s.is(s.before)
		})
	}
}

// A user who changes anything but the list of routes keeps the fault, and the
// change outlives it.
func TestAUsersEditKeepsTheFault(t *testing.T) {
	s := newShared(t, kubectlApply)
	injection, held := s.inject()
	for _, patch := range []string{
		`{"metadata": {"labels": {"tier": "backend"}, "annotations": {"note": "mine"}}}`,
		`{"spec": {"exportTo": ["*"]}}`,
	} {
		if _, err := s.api.Patch(t.Context(), "unrouted", types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "kubectl-patch"}); err != nil {
			t.Fatal(err)
		}
	}
	own := "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: unrouted, labels: {cost: low}}\n"
	if err := serverSide("accounting", false)(s, own); err != nil {
		t.Fatal(err)
	}
	s.stays(held, injection)
	s.revert(injection)
	after := s.get()
	if labels := after.GetLabels(); labels["tier"] != "backend" || labels["cost"] != "low" || after.GetAnnotations()["note"] != "mine" {
		t.Errorf("the user's changes are gone: %s", s.content())
	}
	after.SetLabels(map[string]string{"team": "stock"})
	annotations := after.GetAnnotations()
	delete(annotations, "note")
	after.SetAnnotations(annotations)
	unstructured.RemoveNestedField(after.Object, "spec", "exportTo")
	if got := contentOf(t, after); got != s.before {
		t.Errorf("something else changed, too: %s\nwant %s", got, s.before)
	}
}

// kubectl apply writes the list of routes as a whole, and our routes are not in
// its manifest. The run notices, and the object is what the user applied.
func TestKubectlApplyEvicts(t *testing.T) {
	changed := strings.Replace(route, "timeout: 3s", "timeout: 4s", 1)
	for name, manifest := range map[string]string{"of a changed manifest": changed, "of the same manifest": route} {
		t.Run(name, func(t *testing.T) {
			want := asApplied(t, kubectlApply, manifest)
			s := newShared(t, kubectlApply)
			injection, held := s.inject()
			if err := kubectlApply(s, manifest); err != nil {
				t.Fatal(err)
			}
			s.evicted(held, injection, "kubectl-client-side-apply")
			s.revert(injection)
			s.isAsApplied(want)
		})
	}
}

// Server-side apply of other routes is refused while a fault is in, and names
// it; forced, it evicts. After the revert nobody needs force.
func TestServerSideApply(t *testing.T) {
	changed := strings.Replace(route, "timeout: 3s", "timeout: 4s", 1)
	apply, force := serverSide("kubectl", false), serverSide("kubectl", true)
	want := asApplied(t, apply, changed)
	s := newShared(t, apply)
	injection, held := s.inject()
	if err := apply(s, changed); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), `conflict with "faultline"`) {
		t.Errorf("got %v, want a conflict with faultline", err)
	}
	s.stays(held, injection)
	s.revert(injection)
	s.is(s.before)
	if err := apply(s, changed); err != nil {
		t.Errorf("an apply long after the run: %v", err)
	}
	s.isAsApplied(want)

	injection, held = s.inject()
	if err := force(s, changed); err != nil {
		t.Fatal(err)
	}
	s.evicted(held, injection, "kubectl")
	s.revert(injection)
	s.isAsApplied(want)
}

// A GitOps controller writes its manifest again whenever the object differs. It
// evicts the fault once, and nothing of ours fights it.
func TestAGitOpsControllerEvicts(t *testing.T) {
	for name, manager := range map[string]string{"Argo CD": "argocd-controller", "Flux": "kustomize-controller"} {
		t.Run(name, func(t *testing.T) {
			sync := serverSide(manager, true)
			s := newShared(t, sync)
			injection, held := s.inject()
			if err := sync(s, route); err != nil {
				t.Fatal(err)
			}
			s.evicted(held, injection, manager)
			version := s.get().GetResourceVersion()
			if err := sync(s, route); err != nil { // its next interval finds nothing to do
				t.Fatal(err)
			}
			if got := s.get().GetResourceVersion(); got != version {
				t.Errorf("somebody wrote the object after it was evicted: version %s, then %s", version, got)
			}
			s.revert(injection)
			s.is(s.before)
		})
	}
}

// Flagger writes spec, labels and annotations anew, marks and all.
func TestFlaggerEvictsTheMarkToo(t *testing.T) {
	s := newShared(t, serverSide("flagger", true))
	original := s.get()
	injection, held := s.inject()
	live := s.get()
	live.Object["spec"] = original.Object["spec"]
	live.SetLabels(original.GetLabels())
	live.SetAnnotations(map[string]string{"flagger.kubernetes.io/original-configuration": "{}"})
	if _, err := s.api.Update(t.Context(), live, metav1.UpdateOptions{FieldManager: "flagger"}); err != nil {
		t.Fatal(err)
	}
	want := s.content()
	s.evicted(held, injection, "flagger")
	s.revert(injection)
	s.is(want)
}

// An object that somebody deleted and created again is not ours to write.
func TestARecreatedObjectIsLeftAlone(t *testing.T) {
	s := newShared(t, kubectlApply)
	injection, held := s.inject()
	if err := s.api.Delete(t.Context(), "unrouted", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.evicted(held, injection, "")
	if err := kubectlApply(s, route); err != nil {
		t.Fatal(err)
	}
	version := s.get().GetResourceVersion()
	s.revert(injection)
	if got := s.get(); got.GetResourceVersion() != version {
		t.Errorf("the new object was written: %s", s.content())
	}
}

// While the fault is in, and only then, faultline is the manager of the routes,
// by which Argo CD can be told to leave them alone.
func TestManagedFields(t *testing.T) {
	s := newShared(t, kubectlApply)
	injection, _ := s.inject()
	if !slices.ContainsFunc(s.get().GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager == "faultline" && strings.Contains(entry.FieldsV1.GetRawString(), `"f:http"`)
	}) {
		t.Errorf("faultline does not manage spec.http: %v", s.get().GetManagedFields())
	}
	s.revert(injection)
	s.is(s.before)
}
