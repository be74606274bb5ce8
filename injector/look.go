package injector

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// look reads what plans for the faults depend on. Faults that are wrong by
// themselves are passed over: they are refused whatever the cluster holds.
func (i *Injector) look(ctx context.Context, faults []Fault, limits bounds) (world, error) {
	w := world{
		domain:           i.domain,
		services:         map[Service]*unstructured.Unstructured{},
		destinationRules: map[string][]*unstructured.Unstructured{},
		pods:             map[Service][]*unstructured.Unstructured{},
		gateways:         map[string]*unstructured.Unstructured{},
		namespaces:       map[string]*unstructured.Unstructured{},
	}
	callers := false
	for n, f := range faults {
		if len(limits.refuses(n, f)) > 0 {
			continue
		}
		if err := i.lookAt(ctx, f, &w); err != nil {
			return world{}, err
		}
		callers = callers || f.Site == Caller
	}
	within := limits.within(faults).Namespaces
	if limits.NamespaceLabel != "" {
		if err := i.lookAtNamespaces(ctx, within, &w); err != nil {
			return world{}, err
		}
	}
	if !callers {
		return w, nil
	}
	for _, f := range faults {
		within = append(within, f.On.Namespace)
	}
	slices.Sort(within)
	return w, i.lookForRoutes(ctx, slices.Compact(within), &w)
}

// lookAt reads the Service of one fault and, for the Upstream site, its pods
// and subsets, for the Caller site the Gateway that calls.
func (i *Injector) lookAt(ctx context.Context, f Fault, w *world) error {
	on := target(f.On)
	service, err := i.lookUp(ctx, on)
	if err != nil || service == nil {
		return err
	}
	w.services[on] = service
	if f.Site != Upstream {
		return i.lookAtGateway(ctx, f.From.Gateway, w)
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

// lookUp returns the Service, or the ServiceEntry for a host, or nil.
func (i *Injector) lookUp(ctx context.Context, on Service) (*unstructured.Unstructured, error) {
	if on.Host == "" {
		return i.lookFor(ctx, "Service", services, on.Namespace, on.Name)
	}
	entries, err := i.list(ctx, serviceEntries, on.Namespace, metav1.ListOptions{})
	for _, entry := range entries {
		if slices.ContainsFunc(stringsAt(entry.Object, "spec", "hosts"), func(host string) bool { return strings.EqualFold(host, on.Host) }) {
			return entry, nil
		}
	}
	return nil, err
}

// lookFor returns an object, or nil when there is none.
func (i *Injector) lookFor(
	ctx context.Context, kind string, what schema.GroupVersionResource, namespace, name string,
) (*unstructured.Unstructured, error) {
	obj, err := i.client.Resource(what).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("get %s %s: %w", kind, strings.TrimPrefix(namespace+"/"+name, "/"), err)
	}
	return obj, nil
}

func (i *Injector) lookAtGateway(ctx context.Context, gateway string, w *world) error {
	namespace, name, named := strings.Cut(gateway, "/")
	if !named {
		return nil
	}
	found, err := i.lookFor(ctx, "Gateway", gateways, namespace, name)
	if found != nil {
		w.gateways[gateway] = found
	}
	return err
}

func (i *Injector) lookAtNamespaces(ctx context.Context, names []string, w *world) error {
	for _, name := range names {
		found, err := i.lookFor(ctx, "Namespace", kubeNamespaces, "", name)
		if err != nil {
			return fmt.Errorf("%w; a Role in namespace %s can grant it, for blastRadius.namespaceLabel", err, name)
		}
		if found != nil {
			w.namespaces[name] = found
		}
	}
	return nil
}

// lookForRoutes reads the VirtualServices of the whole cluster, because one in
// any namespace can rule a host, and what may rule it in their place. Where that
// is forbidden it reads those of some namespaces, and notes it.
func (i *Injector) lookForRoutes(ctx context.Context, within []string, w *world) error {
	var narrow, unread []string
	for _, what := range []struct {
		name     string
		resource schema.GroupVersionResource
		into     *[]*unstructured.Unstructured
		optional bool // the mesh works without them
	}{
		{"VirtualServices", virtualServices, &w.virtualServices, false},
		{"HTTPRoutes", httpRoutes, &w.routes, true},
		{"GRPCRoutes", grpcRoutes, &w.routes, true},
	} {
		found, err := i.list(ctx, what.resource, metav1.NamespaceAll, metav1.ListOptions{})
		if apierrors.IsForbidden(err) {
			narrow = append(narrow, what.name)
			found, err = i.listIn(ctx, what.resource, within)
		}
		switch {
		case what.optional && apierrors.IsNotFound(err):
			narrow = slices.DeleteFunc(narrow, func(name string) bool { return name == what.name })
		case what.optional && apierrors.IsForbidden(err):
			narrow = slices.DeleteFunc(narrow, func(name string) bool { return name == what.name })
			unread = append(unread, what.name)
		case err != nil:
			return err
		}
		*what.into = append(*what.into, found...)
	}
	if len(narrow) > 0 {
		w.notes = append(w.notes, fmt.Sprintf("%s could be read in namespaces %q only: one elsewhere may rule the same host, "+
			"and the fault would then not be met", strings.Join(narrow, " and "), within))
	}
	if len(unread) > 0 {
		w.notes = append(w.notes, fmt.Sprintf("%s could not be read: one may rule the same service, and the fault would then not be met",
			strings.Join(unread, " and ")))
	}
	return nil
}

// listIn returns the objects of some namespaces.
func (i *Injector) listIn(ctx context.Context, what schema.GroupVersionResource, within []string) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, namespace := range within {
		found, err := i.list(ctx, what, namespace, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}
