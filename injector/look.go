package injector

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// look reads what plans for the faults depend on. Faults that are wrong by
// themselves are passed over: they are refused whatever the cluster holds.
func (i *Injector) look(ctx context.Context, faults []Fault, limits BlastRadius) (world, error) {
	w := world{
		domain:           i.domain,
		services:         map[Service]*unstructured.Unstructured{},
		destinationRules: map[string][]*unstructured.Unstructured{},
		pods:             map[Service][]*unstructured.Unstructured{},
	}
	callers := false
	namespaces := slices.Clone(limits.Namespaces)
	for n, f := range faults {
		if len(limits.refuses(n, f)) > 0 {
			continue
		}
		if err := i.lookAt(ctx, f, &w); err != nil {
			return world{}, err
		}
		callers = callers || f.Site == Caller
		namespaces = append(namespaces, f.On.Namespace)
	}
	if !callers {
		return w, nil
	}
	slices.Sort(namespaces)
	var err error
	w.virtualServices, w.notes, err = i.lookForOwners(ctx, slices.Compact(namespaces))
	return w, err
}

// lookAt reads the Service of one fault and, for the Upstream site, its pods
// and subsets.
func (i *Injector) lookAt(ctx context.Context, f Fault, w *world) error {
	on := target(f.On)
	service, err := i.client.Resource(services).Namespace(on.Namespace).Get(ctx, on.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("get Service %s: %w", on, err)
	}
	w.services[on] = service
	if f.Site != Upstream {
		return nil
	}
	selector, _, err := unstructured.NestedStringMap(service.Object, "spec", "selector")
	if err != nil {
		return fmt.Errorf("Service %s: %w", on, err)
	}
	if len(selector) > 0 { // an empty one would select every pod, and means none
		selected := metav1.ListOptions{LabelSelector: labels.SelectorFromSet(selector).String()}
		if w.pods[on], err = i.list(ctx, pods, on.Namespace, selected); err != nil {
			return err
		}
	}
	if f.On.Subset != "" {
		w.destinationRules[on.Namespace], err = i.list(ctx, destinationRules, on.Namespace, metav1.ListOptions{})
	}
	return err
}

// lookForOwners returns the VirtualServices of the whole cluster, because one
// in any namespace can rule a host; or, where that is forbidden, those of the
// namespaces, and a note that says so.
func (i *Injector) lookForOwners(ctx context.Context, namespaces []string) ([]*unstructured.Unstructured, []string, error) {
	all, err := i.list(ctx, virtualServices, metav1.NamespaceAll, metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		return all, nil, err
	}
	var some []*unstructured.Unstructured
	for _, namespace := range namespaces {
		found, err := i.list(ctx, virtualServices, namespace, metav1.ListOptions{})
		if err != nil {
			return nil, nil, err
		}
		some = append(some, found...)
	}
	note := fmt.Sprintf("VirtualServices could be read in namespaces %q only: one elsewhere may rule the same host, "+
		"and the fault would then not be met", namespaces)
	return some, []string{note}, nil
}
