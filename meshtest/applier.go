package meshtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// applier writes objects of any kind.
type applier struct {
	client dynamic.Interface
	mapper *restmapper.DeferredDiscoveryRESTMapper
}

func newApplier(client dynamic.Interface, config *rest.Config) *applier {
	cached := memory.NewMemCacheClient(discovery.NewDiscoveryClientForConfigOrDie(config))
	return &applier{client: client, mapper: restmapper.NewDeferredDiscoveryRESTMapper(cached)}
}

// resource finds the endpoint of an object, and gives it the namespace it belongs
// in when it needs one and names none.
func (a *applier) resource(m manifest) (dynamic.ResourceInterface, error) {
	kind := m.GroupVersionKind()
	mapping, err := a.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: the mesh's API server has no such kind: %w", m.source, m, err)
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return a.client.Resource(mapping.Resource), nil
	}
	if m.GetNamespace() == "" {
		m.SetNamespace(cmp.Or(m.home, metav1.NamespaceDefault))
	}
	return a.client.Resource(mapping.Resource).Namespace(m.GetNamespace()), nil
}

// apply writes one object with strict validation, so that a misspelt field is an
// error rather than dropped. Unless it is a dry run, m becomes what the API
// server made of it.
func (a *applier) apply(ctx context.Context, m manifest, dryRun bool) error {
	resource, err := a.resource(m)
	if err != nil {
		return err
	}
	data, err := m.MarshalJSON()
	if err != nil {
		return err
	}
	force := true
	options := metav1.PatchOptions{FieldManager: fieldManager, Force: &force, FieldValidation: metav1.FieldValidationStrict}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	live, err := resource.Patch(ctx, m.GetName(), types.ApplyPatchType, data, options)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", m.source, m, err)
	}
	if !dryRun {
		m.Object = live.Object
	}
	return nil
}

// applyAll writes the objects side by side, Namespaces before the rest.
func (a *applier) applyAll(ctx context.Context, objects []manifest) error {
	namespaces, others := split(objects, func(m manifest) bool { return m.GetKind() == "Namespace" })
	for _, stage := range [][]manifest{namespaces, others} {
		errs := make([]error, len(stage))
		var group errgroup.Group
		group.SetLimit(8)
		for i, m := range stage {
			group.Go(func() error { errs[i] = a.apply(ctx, m, false); return nil })
		}
		_ = group.Wait() // collected in errs
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

// check asks the API server, and through its webhook istiod, what they think of
// the objects, and writes nothing. Where the namespace is not there yet, because
// it comes with the objects, the default one stands in.
func (a *applier) check(ctx context.Context, objects []manifest) error {
	errs := make([]error, len(objects))
	var group errgroup.Group
	group.SetLimit(8)
	for i, m := range objects {
		group.Go(func() error {
			errs[i] = a.apply(ctx, m, true)
			if apierrors.IsNotFound(errs[i]) && m.GetNamespace() != "" {
				stand := manifest{source: m.source, Unstructured: m.DeepCopy()}
				stand.SetNamespace(metav1.NamespaceDefault)
				errs[i] = a.apply(ctx, stand, true)
			}
			return nil
		})
	}
	_ = group.Wait() // collected in errs
	return errors.Join(errs...)
}

// awaitCRDs returns when every CRD among the objects is served.
func (a *applier) awaitCRDs(ctx context.Context, objects []manifest) error {
	for _, m := range objects {
		if m.GetKind() != "CustomResourceDefinition" {
			continue
		}
		resource, err := a.resource(m)
		if err != nil {
			return err
		}
		err = poll(ctx, func() (bool, error) {
			live, err := resource.Get(ctx, m.GetName(), metav1.GetOptions{})
			return err == nil && strings.Contains(conditions(live), "Established=True"), err
		})
		if err != nil {
			return fmt.Errorf("%s: is not served: %w", m, err)
		}
	}
	a.mapper.Reset()
	return nil
}

// conditions renders status.conditions as "Type=Status …".
func conditions(object *unstructured.Unstructured) string {
	list, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions") // absent counts as none
	var all []string
	for _, item := range list {
		if c, ok := item.(map[string]any); ok {
			all = append(all, fmt.Sprintf("%v=%v", c["type"], c["status"]))
		}
	}
	return strings.Join(all, " ")
}

func split(objects []manifest, chosen func(manifest) bool) (yes, no []manifest) {
	for _, m := range objects {
		if chosen(m) {
			yes = append(yes, m)
		} else {
			no = append(no, m)
		}
	}
	return yes, no
}

// poll asks every 20 ms until the answer is yes or ctx ends; then the error
// carries what the last attempt said.
func poll(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}
