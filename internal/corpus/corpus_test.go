package corpus

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/meshtest"
)

// outcome is what came of one specimen.
type outcome struct {
	specimen
	refused  []string // by the API server or by a plan: why
	injected int      // faults that went in and out again
	beside   int      // faults for which an object of our own was created beside it
	broken   []string // what must never be
}

// bench is where specimens are tried.
type bench struct {
	client dynamic.Interface
	in     *injector.Injector
	meddle func(api dynamic.ResourceInterface, name string) error // called while the fault is in, unless nil
}

// Every VirtualService of Istio's samples and tests takes a fault and comes back
// as it was, or is refused with a reason.
func TestCorpus(t *testing.T) {
	source := istioDir(t)
	found, files := find(t, filepath.Join(source, "samples"), filepath.Join(source, "tests"))
	b := newBench(t)
	began := time.Now()
	outcomes := make([]outcome, len(found))
	var group errgroup.Group
	group.SetLimit(8)
	for n, s := range found {
		if isPrivate(s) { // it rules nothing that another one could rule, too
			group.Go(func() error {
				outcomes[n] = b.try(t.Context(), n, s)
				return nil
			})
		}
	}
	_ = group.Wait() // the outcomes tell
	for n, s := range found {
		if !isPrivate(s) {
			outcomes[n] = b.try(t.Context(), n, s)
		}
	}
	summary(t, files, outcomes)
	t.Logf("in %s, once the mesh was there", time.Since(began).Round(100*time.Millisecond))

	t.Run("a difference would be noticed", func(t *testing.T) {
		b.meddle = func(api dynamic.ResourceInterface, name string) error {
			_, err := api.Patch(t.Context(), name, types.MergePatchType, []byte(`{"spec": {"exportTo": ["."]}}`), metav1.PatchOptions{})
			return err
		}
		s := read("here", []byte("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"+
			"spec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}\n"))
		if o := b.try(t.Context(), len(found), s); len(o.broken) == 0 || !strings.Contains(o.broken[0], `"exportTo":["."]`) {
			t.Errorf("got %+v", o)
		}
	})
}

func newBench(t *testing.T) bench {
	t.Helper()
	mesh := &meshtest.Mesh{}
	if err := mesh.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := mesh.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	config := mesh.Config()
	config.QPS, config.Burst, config.WarningHandler = 1000, 1000, rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	in, err := injector.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return bench{client: client, in: in}
}

// isPrivate says whether all hosts of a specimen are those of its namespace.
func isPrivate(s specimen) bool {
	hosts, _, err := unstructured.NestedStringSlice(s.object.Object, "spec", "hosts")
	return err == nil && !slices.ContainsFunc(hosts, func(host string) bool { return strings.ContainsAny(host, ".*") })
}

// try creates a specimen in a namespace of its own, makes each fault on it and
// takes it out.
func (b bench) try(ctx context.Context, n int, s specimen) (o outcome) {
	o = outcome{specimen: s}
	defer func() {
		if bad := recover(); bad != nil {
			o.broken = append(o.broken, fmt.Sprintf("it made faultline panic: %v", bad))
		}
	}()
	if s.wrong != "" {
		o.refused = []string{s.wrong}
		return o
	}
	namespace := fmt.Sprintf("corpus-%d", n)
	s.object.SetNamespace(namespace)
	if err := create(ctx, b.client, namespaces, "", "v1", "Namespace", namespace, nil); err != nil {
		o.broken = []string{err.Error()}
		return o
	}
	api := b.client.Resource(virtualServices).Namespace(namespace)
	stored, err := api.Create(ctx, s.object, metav1.CreateOptions{})
	if err != nil {
		o.refused = []string{"the API server does not accept it: " + err.Error()}
		return o
	}
	for _, target := range targetsOf(stored) {
		if err := settle(ctx, b.client, target, portsOf(stored.Object["spec"])); err != nil {
			o.broken = append(o.broken, err.Error())
			continue
		}
		done := o.injected + o.beside
		b.fault(ctx, &o, stored, target)
		for _, port := range portsOf(stored.Object["spec"]) {
			if o.injected+o.beside > done {
				break
			}
			target.on.Port = int(port) // its ports are routed differently, perhaps
			b.fault(ctx, &o, stored, target)
		}
	}
	if err := api.Delete(ctx, stored.GetName(), metav1.DeleteOptions{}); err != nil {
		o.broken = append(o.broken, err.Error())
	}
	return o
}

// fault makes a fault of the run's own requests, and one of all, and takes each
// out.
func (b bench) fault(ctx context.Context, o *outcome, vs *unstructured.Unstructured, t target) {
	for _, allTraffic := range []bool{false, true} {
		b.faultFor(ctx, o, vs, t, allTraffic)
	}
}

func (b bench) faultFor(ctx context.Context, o *outcome, vs *unstructured.Unstructured, t target, allTraffic bool) {
	limits := injector.BlastRadius{Namespaces: []string{t.on.Namespace, vs.GetNamespace()}, AllTraffic: true}
	faults := []injector.Fault{{
		On: t.on, From: t.from, Site: injector.Caller, AllTraffic: allTraffic,
		Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
	}}
	plan, err := b.in.Plan(ctx, injector.NewRunID(), faults, limits, b.in.Now().Add(time.Minute))
	if refused, ok := errors.AsType[*injector.RefusedError](err); ok {
		for _, reason := range refused.Reasons {
			if reason.Text == "" {
				o.broken = append(o.broken, "it is refused without a reason")
			}
			o.refused = append(o.refused, reason.String())
		}
		return
	}
	if err != nil {
		o.broken = append(o.broken, err.Error())
		return
	}
	before := b.content(ctx, o, vs)
	injection, err := b.in.Inject(ctx, plan)
	during := b.content(ctx, o, vs)
	if b.meddle != nil {
		err = errors.Join(err, b.meddle(b.client.Resource(virtualServices).Namespace(vs.GetNamespace()), vs.GetName()))
	}
	if err := errors.Join(err, injection.Revert(ctx)); err != nil {
		o.broken = append(o.broken, err.Error())
	}
	after := b.content(ctx, o, vs)
	if after != before {
		o.broken = append(o.broken, fmt.Sprintf("it was\n%s\nand is\n%s", before, after))
	}
	ours := slices.ContainsFunc(plan.Edits, func(e injector.Edit) bool { return e.Ref.Name == vs.GetName() && e.Ref.Namespace == vs.GetNamespace() })
	switch {
	case !ours:
		o.beside++
	case during == before:
		o.broken = append(o.broken, "it never carried the fault")
	default:
		o.injected++
	}
}

// content is what must come back, byte for byte.
func (b bench) content(ctx context.Context, o *outcome, vs *unstructured.Unstructured) string {
	live, err := b.client.Resource(virtualServices).Namespace(vs.GetNamespace()).Get(ctx, vs.GetName(), metav1.GetOptions{})
	if err != nil {
		o.broken = append(o.broken, err.Error())
		return ""
	}
	for _, field := range []string{"managedFields", "resourceVersion", "generation"} {
		unstructured.RemoveNestedField(live.Object, "metadata", field)
	}
	text, err := live.MarshalJSON()
	if err != nil {
		o.broken = append(o.broken, err.Error())
	}
	return string(text)
}
