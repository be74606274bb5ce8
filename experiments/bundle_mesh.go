// What a troubleshooting bundle has of the cluster: the objects that rule the
// faulted hosts, and events.

package experiments

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/bundle"
)

const mostEvents = 40

// ruling are the objects that say how the faulted hosts are reached: routes and
// policies for them, and in their namespaces who is to speak mTLS.
func (t *trial) ruling(ctx context.Context, missing func(string, error)) []bundle.Object {
	client, err := dynamic.NewForConfig(t.config)
	if err != nil {
		missing("the objects", err)
		return nil
	}
	namespaces := t.namespaces()
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	var all []bundle.Object
	for _, kind := range []schema.GroupVersionResource{
		{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"},
		{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"},
		{Group: "networking.istio.io", Version: "v1alpha3", Resource: "envoyfilters"},
		{Group: "security.istio.io", Version: "v1", Resource: "peerauthentications"},
	} {
		for _, namespace := range namespaces {
			list, err := client.Resource(kind).Namespace(namespace).List(ctx, metav1.ListOptions{})
			if err != nil {
				missing(fmt.Sprintf("%s of %s", kind.Resource, cmp.Or(namespace, "all namespaces")), err)
				continue
			}
			for i := range list.Items {
				if o, rules := rulingObject(&list.Items[i], t.hosts()); rules {
					all = append(all, o)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b bundle.Object) int { return cmp.Compare(a.Ref, b.Ref) })
	return all
}

// rulingObject returns obj as a bundle keeps it, and whether it rules one of some
// hosts. An EnvoyFilter and a PeerAuthentication rule whoever they select, which is
// not looked into.
func rulingObject(obj *unstructured.Unstructured, hosts []string) (bundle.Object, bool) {
	named, _, _ := unstructured.NestedStringSlice(obj.Object, "spec", "hosts")
	if host, _, _ := unstructured.NestedString(obj.Object, "spec", "host"); host != "" {
		named = append(named, host)
	}
	const domain = "cluster.local"
	rules := len(named) == 0
	for _, name := range named {
		name = injector.ResolveHost(name, obj.GetNamespace(), domain)
		rules = rules || slices.ContainsFunc(hosts, func(host string) bool {
			return injector.HostMatches(name, host) || injector.HostMatches(name, host+".svc."+domain) || strings.HasPrefix(name, host+".")
		})
	}
	content := obj.DeepCopy()
	content.SetManagedFields(nil)
	unstructured.RemoveNestedField(content.Object, "metadata", "annotations", corev1.LastAppliedConfigAnnotation)
	clean, _ := bundle.Redact(content.Object).(map[string]any)
	o := bundle.Object{Ref: fmt.Sprintf("%s %s/%s", obj.GetKind(), obj.GetNamespace(), obj.GetName()), Hosts: named, Content: clean}
	if made := obj.GetCreationTimestamp(); !made.IsZero() {
		o.Made = made.UTC().Format(time.RFC3339)
	}
	return o, rules
}

// events are those of pods since the run began, the latest last.
func (t *trial) events(ctx context.Context, missing func(string, error)) []bundle.Event {
	namespaces := t.namespaces()
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	var all []bundle.Event
	for _, namespace := range namespaces {
		list, err := t.kube.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=Pod"})
		if err != nil {
			missing("events of "+cmp.Or(namespace, "all namespaces"), err)
			continue
		}
		for _, e := range list.Items {
			if at := eventTime(e); !at.Before(t.report.Baseline.From.Add(-time.Minute)) {
				all = append(all, bundle.Event{
					At: at, Object: fmt.Sprintf("%s %s/%s", e.InvolvedObject.Kind, e.InvolvedObject.Namespace, e.InvolvedObject.Name),
					Type: e.Type, Reason: e.Reason, Message: bundle.Text(e.Message), Count: max(1, int(e.Count)),
				})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b bundle.Event) int { return a.At.Compare(b.At) })
	return all[max(0, len(all)-mostEvents):]
}

// eventTime is when an event was seen last, whichever field says so.
func eventTime(e corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}
