package crash

import (
	"context"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// isOnObject says whether a call is about one object that can have a fault.
func (c call) isOnObject() bool { return c.gvr() != (schema.GroupVersionResource{}) && c.name != "" }

func (c call) gvr() schema.GroupVersionResource {
	switch c.resource {
	case virtualServices.Resource:
		return virtualServices
	case envoyFilters.Resource:
		return envoyFilters
	}
	return schema.GroupVersionResource{}
}

// meddling is what a user does to the object of a request, right before the
// request arrives.
func meddling(name string, do func(ctx context.Context, s *scene, c call, live *unstructured.Unstructured) error) trouble {
	return trouble{name: name, once: true, meddles: true, meet: func(t *troubled, q *http.Request, send http.RoundTripper) (*http.Response, error) {
		c, ctx := callOf(q), context.WithoutCancel(q.Context())
		live, err := t.scene.of(c).Get(ctx, c.name, metav1.GetOptions{})
		if err == nil {
			err = do(ctx, t.scene, c, live)
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
		return send.RoundTrip(q)
	}}
}

func (s *scene) of(c call) dynamic.ResourceInterface {
	return s.client.Resource(c.gvr()).Namespace(s.namespace)
}

// meddlings are what users do in the middle.
var meddlings = []trouble{
	meddling("a user changes it", func(ctx context.Context, s *scene, c call, live *unstructured.Unstructured) error {
		note := func(obj *unstructured.Unstructured) { foreignEdits[2](obj, 7) }
		if s.want[c.name] != nil {
			return s.edit(ctx, c.name, note)
		}
		note(live)
		_, err := s.of(c).Update(ctx, live, metav1.UpdateOptions{})
		return err
	}),
	meddling("a user deletes it", func(ctx context.Context, s *scene, c call, _ *unstructured.Unstructured) error {
		delete(s.want, c.name)
		return s.of(c).Delete(ctx, c.name, metav1.DeleteOptions{})
	}),
	meddling("a user replaces it by one of the same name", func(ctx context.Context, s *scene, c call, live *unstructured.Unstructured) error {
		switch c.resource { // what has the fault in it is the run's, whoever created it
		case virtualServices.Resource:
			setRoutes(live, usersRoutes(live))
		case envoyFilters.Resource:
			live.Object["spec"] = map[string]any{"configPatches": []any{map[string]any{
				"applyTo": "CLUSTER", "match": map[string]any{"context": "SIDECAR_OUTBOUND"},
				"patch": map[string]any{"operation": "MERGE", "value": map[string]any{"connect_timeout": "1s"}},
			}}}
		}
		live.SetAnnotations(nil)
		live.SetLabels(nil)
		return s.replace(ctx, c, live)
	}),
	meddling("a backup of it is restored", func(ctx context.Context, s *scene, c call, live *unstructured.Unstructured) error {
		return s.replace(ctx, c, live)
	}),
}

// replace deletes the object of a call and creates it again as obj.
func (s *scene) replace(ctx context.Context, c call, obj *unstructured.Unstructured) error {
	if err := s.of(c).Delete(ctx, c.name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	obj = obj.DeepCopy()
	for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"} {
		unstructured.RemoveNestedField(obj.Object, "metadata", field)
	}
	stored, err := s.of(c).Create(ctx, obj, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	switch {
	case s.want[c.name] != nil:
		want := s.want[c.name].DeepCopy()
		if len(marksOn(stored)) == 0 {
			want = stored
		}
		want.SetUID(stored.GetUID())
		want.SetCreationTimestamp(stored.GetCreationTimestamp())
		s.want[c.name] = want
	case len(marksOn(stored)) == 0:
		s.kept[c.name] = c.resource
	}
	return nil
}
