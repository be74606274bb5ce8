package injector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	labelHalt = "faultline.dev/halt" // on a halt flag; value "true"
	haltName  = "faultline-halt"     // no run has this name: it is not hexadecimal
)

// haltsAtOnce is how many namespaces are written to at the same time.
const haltsAtOnce = 16

// Halt sets the halt flag, a Lease named faultline-halt, in the namespaces;
// with none given in every one except kube-system, kube-public and
// kube-node-lease. While it is there, nothing plans or injects with an edit or
// a Lease there, and a run that lives there ends within a second or two: see
// [Injection.Context]. Halt reverts nothing, and reverts are never held up. It
// tries all namespaces and joins the errors. A flag that is set already stays
// as it is.
func (i *Injector) Halt(ctx context.Context, namespaces ...string) error {
	all := len(namespaces) == 0
	if all {
		found, err := i.list(ctx, kubeNamespaces, metav1.NamespaceAll, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("halt: %w", err)
		}
		for _, namespace := range found {
			if name := namespace.GetName(); !isClusters(name) && namespace.GetDeletionTimestamp() == nil {
				namespaces = append(namespaces, name)
			}
		}
	}
	return inEach(namespaces, func(namespace string) error {
		err := i.setHalt(ctx, namespace)
		if all && apierrors.IsNotFound(err) {
			return nil // the namespace went meanwhile
		}
		return err
	})
}

// isClusters says whether a namespace is the cluster's own, where no run is.
func isClusters(namespace string) bool {
	return namespace == "kube-system" || namespace == "kube-public" || namespace == "kube-node-lease"
}

func (i *Injector) setHalt(ctx context.Context, namespace string) error {
	flag := &unstructured.Unstructured{Object: object{
		"apiVersion": leases.GroupVersion().String(),
		"kind":       kindLease,
		"metadata":   object{"name": haltName, "namespace": namespace, "labels": object{labelHalt: "true"}},
		"spec":       object{"holderIdentity": i.by, "acquireTime": microTime(i.Now())},
	}}
	if _, err := i.create(ctx, flag); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("halt namespace %s: %w", namespace, err)
	}
	return nil
}

// Release takes the halt flag off the namespaces; with none given, off every
// one that has it. It tries all and joins the errors. A flag that is not there
// is fine.
func (i *Injector) Release(ctx context.Context, namespaces ...string) error {
	if len(namespaces) == 0 {
		found, err := i.list(ctx, leases, metav1.NamespaceAll, metav1.ListOptions{FieldSelector: "metadata.name=" + haltName})
		if err != nil {
			return fmt.Errorf("release: %w", err)
		}
		for _, flag := range found {
			if flag.GetName() == haltName {
				namespaces = append(namespaces, flag.GetNamespace())
			}
		}
	}
	return inEach(namespaces, func(namespace string) error {
		err := i.client.Resource(leases).Namespace(namespace).Delete(ctx, haltName, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("release namespace %s: %w", namespace, err)
		}
		return nil
	})
}

// Halted returns what the halt flag of a namespace says, or nil when there is
// none.
func (i *Injector) Halted(ctx context.Context, namespace string) (*HaltedError, error) {
	flag, err := i.get(ctx, Ref{Kind: kindLease, Namespace: namespace, Name: haltName})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for a halt flag in namespace %s: %w", namespace, err)
	}
	halted := &HaltedError{Namespace: namespace, By: at[string](flag.Object, "spec", "holderIdentity")}
	if since, err := time.Parse(time.RFC3339, at[string](flag.Object, "spec", "acquireTime")); err == nil {
		halted.Since = since
	} else {
		halted.Since = flag.GetCreationTimestamp().Time
	}
	return halted, nil
}

// mayWrite returns the halt flag of a namespace of refs as an error, or why it
// cannot be looked for.
func (i *Injector) mayWrite(ctx context.Context, refs ...Ref) error {
	for _, namespace := range namespacesOf(refs) {
		halted, err := i.Halted(ctx, namespace)
		if err != nil {
			return err
		}
		if halted != nil {
			return halted
		}
	}
	return nil
}

// namespacesOf returns the namespaces of refs, sorted.
func namespacesOf(refs []Ref) []string {
	var namespaces []string
	for _, ref := range refs {
		namespaces = append(namespaces, ref.Namespace)
	}
	slices.Sort(namespaces)
	return slices.Compact(namespaces)
}

// inEach calls f for all names, some at once, and joins the errors in their
// order.
func inEach(names []string, f func(name string) error) error {
	errs := make([]error, len(names))
	slots := make(chan struct{}, haltsAtOnce)
	var group sync.WaitGroup
	for n, name := range names {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			errs[n] = f(name)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
