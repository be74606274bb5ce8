package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/faultline-mesh/faultline/injector"
)

// policed is a cluster with the admission policy of docs/ in it, and the
// namespaces welcome, which lets faults in, and unwelcome.
type policed struct {
	*testing.T
	client dynamic.Interface
	count  int
}

func resourceOf(obj *unstructured.Unstructured) schema.GroupVersionResource {
	resource := strings.ToLower(obj.GetKind()) + "s"
	if strings.HasSuffix(obj.GetKind(), "Policy") || strings.HasSuffix(obj.GetKind(), "Entry") {
		resource = strings.TrimSuffix(resource, "ys") + "ies"
	}
	return obj.GroupVersionKind().GroupVersion().WithResource(resource)
}

func newPoliced(t *testing.T) *policed {
	t.Helper()
	client, err := dynamic.NewForConfig(cluster)
	if err != nil {
		t.Fatal(err)
	}
	p := &policed{T: t, client: client}
	for name, labels := range map[string]map[string]string{"welcome": {"faultline.dev/allowed": "true"}, "unwelcome": nil} {
		_, err := admin(t).CoreV1().Namespaces().Create(t.Context(),
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	bad := p.object("VirtualService", "unwelcome", `labels: {faultline.dev/faulted: "true"}`, "")
	t.Cleanup(func() { // the last to be called
		eventually(t, "the policy is gone", func() bool { return p.create(bad, true) == nil })
	})
	text, err := os.ReadFile("../../docs/admission-policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		obj := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &obj.Object); err != nil {
			t.Fatal(err)
		}
		api := client.Resource(resourceOf(obj))
		if _, err := api.Create(t.Context(), obj, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := api.Delete(context.WithoutCancel(t.Context()), obj.GetName(), metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "the policy is in force", func() bool { return p.create(bad, true) != nil })
	p.welcome(true)
	t.Cleanup(func() { // which comes before the policy is deleted
		for name := range map[string]bool{"welcome": true, "unwelcome": true} {
			for _, kind := range []string{"VirtualService", "EnvoyFilter", "ServiceEntry"} {
				resource := resourceOf(p.object(kind, name, "", ""))
				err := client.Resource(resource).Namespace(name).DeleteCollection(context.WithoutCancel(t.Context()), metav1.DeleteOptions{}, metav1.ListOptions{})
				if err != nil {
					t.Error(err)
				}
			}
		}
	})
	return p
}

// object returns an object with some metadata and, as a VirtualService, the
// name of its first route.
func (p *policed) object(kind, namespace, metadata, route string) *unstructured.Unstructured {
	p.Helper()
	version, spec := "v1", `{hosts: [web], http: [{name: "`+route+`", route: [{destination: {host: web}}]}, {route: [{destination: {host: web}}]}]}`
	switch kind {
	case "EnvoyFilter":
		version, spec = "v1alpha3", `{workloadSelector: {labels: {app: nobody}}, configPatches: []}`
	case "ServiceEntry":
		spec = `{hosts: [web.example], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}`
	}
	p.count++
	obj := &unstructured.Unstructured{}
	text := fmt.Sprintf("apiVersion: networking.istio.io/%s\nkind: %s\nmetadata: {name: object-%d, namespace: %s, %s}\nspec: %s\n",
		version, kind, p.count, namespace, metadata, spec)
	if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
		p.Fatalf("%v\n%s", err, text)
	}
	return obj
}

func (p *policed) create(obj *unstructured.Unstructured, dry bool) error {
	options := metav1.CreateOptions{FieldManager: "test"}
	if dry {
		options.DryRun = []string{metav1.DryRunAll}
	}
	_, err := p.client.Resource(resourceOf(obj)).Namespace(obj.GetNamespace()).Create(context.WithoutCancel(p.Context()), obj, options)
	return err
}

func (p *policed) patch(obj *unstructured.Unstructured, patch string) error {
	_, err := p.client.Resource(resourceOf(obj)).Namespace(obj.GetNamespace()).
		Patch(p.Context(), obj.GetName(), types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "test"})
	return err
}

// welcome sets or takes away the label of the namespace welcome, and waits until
// the policy knows.
func (p *policed) welcome(yes bool) {
	p.Helper()
	value := map[bool]string{true: `"true"`, false: "null"}[yes]
	_, err := admin(p).CoreV1().Namespaces().Patch(p.Context(), "welcome", types.MergePatchType,
		[]byte(`{"metadata": {"labels": {"faultline.dev/allowed": `+value+`}}}`), metav1.PatchOptions{})
	if err != nil {
		p.Fatal(err)
	}
	probe := p.object("VirtualService", "welcome", marked(time.Hour), "")
	eventually(p, "the policy knows the label", func() bool { return (p.create(probe, true) == nil) == yes })
}

// marked is the metadata of an object with a fault that is meant for so long.
func marked(length time.Duration) string {
	return fmt.Sprintf(`labels: {faultline.dev/faulted: "true"}, annotations: {faultline.dev/run.7f3a: '{"by":"ada","until":"%s"}'}`,
		time.Now().Add(length).UTC().Format(time.RFC3339))
}

func TestAdmissionPolicy(t *testing.T) {
	p := newPoliced(t)
	const label = `labels: {faultline.dev/faulted: "true"}`
	note := func(value string) string { return label + `, annotations: {faultline.dev/run.7f3a: '` + value + `'}` }
	for name, c := range map[string]struct {
		kind, namespace, metadata, route string
		refused                          string // part of the message; empty: it is accepted
	}{
		"a fault with everything":                {"VirtualService", "welcome", marked(time.Hour), "faultline-7f3a-0", ""},
		"an EnvoyFilter with everything":         {"EnvoyFilter", "welcome", marked(23 * time.Hour), "", ""},
		"a ServiceEntry with everything":         {"ServiceEntry", "welcome", marked(time.Hour), "", ""},
		"a time that is over":                    {"VirtualService", "welcome", marked(-time.Hour), "faultline-7f3a-0", ""},
		"no fault at all":                        {"VirtualService", "unwelcome", "", "", ""},
		"a route that looks a little like ours":  {"VirtualService", "unwelcome", "", "faultline-cafe-menu", ""},
		"an object that looks a little like one": {"EnvoyFilter", "unwelcome", "labels: {faultline.dev/other: x}", "", ""},
		"not welcome":                            {"VirtualService", "unwelcome", marked(time.Hour), "faultline-7f3a-0", "namespace unwelcome: label it"},
		"an EnvoyFilter that is not welcome":     {"EnvoyFilter", "unwelcome", marked(time.Hour), "", "not welcome in namespace unwelcome"},
		"a ServiceEntry that is not welcome":     {"ServiceEntry", "unwelcome", marked(time.Hour), "", "not welcome in namespace unwelcome"},
		"a label alone":                          {"EnvoyFilter", "welcome", label, "", "needs the annotation"},
		"a route alone":                          {"VirtualService", "welcome", "", "faultline-7f3a-0", "needs the annotation"},
		"a route of another run":                 {"VirtualService", "welcome", marked(time.Hour), "faultline-cafe-0", "annotation faultline.dev/run.<run> of its run"},
		"no until":                               {"VirtualService", "welcome", note(`{"by":"ada"}`), "", `needs an "until"`},
		"an until that is no time":               {"EnvoyFilter", "welcome", note(`{"until":"tomorrow"}`), "", `needs an "until"`},
		"an annotation that is no JSON":          {"ServiceEntry", "welcome", note(`forever`), "", `needs an "until"`},
		"an until too far off":                   {"VirtualService", "welcome", marked(25 * time.Hour), "faultline-7f3a-0", "24 hours at most"},
	} {
		t.Run(name, func(t *testing.T) {
			err := p.create(p.object(c.kind, c.namespace, c.metadata, c.route), false)
			switch {
			case c.refused == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.refused != "" && (!apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), c.refused)):
				t.Errorf("got %v, want a refusal with %q", err, c.refused)
			}
		})
	}
}

// What is on an object that has a fault is not held up, even where faults are no
// longer welcome, and even when the fault is not as it should be.
func TestAdmissionPolicyLeavesRevertsAlone(t *testing.T) {
	p := newPoliced(t)
	faulted := p.object("VirtualService", "welcome", marked(time.Hour), "faultline-7f3a-0")
	gone := p.object("EnvoyFilter", "welcome", marked(time.Hour), "")
	for _, obj := range []*unstructured.Unstructured{faulted, gone} {
		if err := p.create(obj, false); err != nil {
			t.Fatal(err)
		}
	}
	p.welcome(false)
	for name, patch := range map[string]string{
		"a foreign edit":        `{"metadata": {"labels": {"team": "web"}}, "spec": {"exportTo": ["."]}}`,
		"an edit of its routes": `{"spec": {"http": [{"name": "faultline-7f3a-0", "timeout": "3s", "route": [{"destination": {"host": "web"}}]}]}}`,
		"a label taken off":     `{"metadata": {"labels": {"faultline.dev/faulted": null}}}`,
		"a revert": `{"metadata": {"labels": {"faultline.dev/faulted": null}, "annotations": {"faultline.dev/run.7f3a": null}},
			"spec": {"http": [{"route": [{"destination": {"host": "web"}}]}]}}`,
	} {
		obj := faulted.DeepCopy()
		obj.SetName(strings.ReplaceAll(name, " ", "-"))
		p.welcome(true)
		if err := p.create(obj, false); err != nil {
			t.Fatal(err)
		}
		p.welcome(false)
		if err := p.patch(obj, patch); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := p.patch(faulted, `{"metadata": {"annotations": {"faultline.dev/run.cafe": "{\"until\":\"2026-01-02T15:04:05Z\"}"}}}`); !apierrors.IsForbidden(err) {
		t.Errorf("a second fault: got %v, want a refusal", err)
	}
	if err := p.patch(faulted, `{"metadata": {"annotations": {"faultline.dev/run.7f3a": "{}"}}}`); err == nil {
		t.Error("a mark was emptied")
	}
	api := p.client.Resource(resourceOf(gone)).Namespace("welcome")
	if err := api.Delete(t.Context(), gone.GetName(), metav1.DeleteOptions{}); err != nil {
		t.Errorf("a deletion: %v", err)
	}
}

// What an Injector writes is let in, and out again when faults are no longer
// welcome.
func TestAdmissionPolicyKnowsTheInjector(t *testing.T) {
	p := newPoliced(t)
	in, err := injector.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	unrouted(t)
	for name, e := range rightsCases() {
		t.Run(name, func(t *testing.T) {
			plan, err := in.Plan(t.Context(), injector.NewRunID(), e.Faults, e.BlastRadius, in.Now().Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			refused, err := in.Inject(t.Context(), plan)
			if err == nil || !strings.Contains(err.Error(), "not welcome in namespace shop") {
				t.Errorf("got %v, want a refusal", err)
			}
			if err := refused.Revert(t.Context()); err != nil {
				t.Error(err)
			}
			label := func(value string) {
				_, err := admin(t).CoreV1().Namespaces().Patch(t.Context(), "shop", types.MergePatchType,
					[]byte(`{"metadata": {"labels": {"faultline.dev/allowed": `+value+`}}}`), metav1.PatchOptions{})
				if err != nil {
					t.Fatal(err)
				}
				probe := p.object("VirtualService", "shop", marked(time.Hour), "")
				eventually(t, "the policy knows the label", func() bool { return (p.create(probe, true) == nil) == (value != "null") })
			}
			label(`"true"`)
			plan, err = in.Plan(t.Context(), injector.NewRunID(), e.Faults, e.BlastRadius, in.Now().Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			injection, err := in.Inject(t.Context(), plan)
			if err != nil {
				t.Error(err)
			}
			label("null")
			if err := injection.Revert(t.Context()); err != nil {
				t.Error(err)
			}
			noLeftovers(t)
		})
	}
}
