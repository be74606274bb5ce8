package injector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// fieldManager is who the API server says made our changes.
const fieldManager = "faultline"

// A write that meets a conflict is tried attempts times in all, with pauses
// from firstPause on, each twice the one before: 1.3 seconds together. A revert
// that meets trouble goes on with pauses up to longestPause.
const (
	attempts     = 8
	firstPause   = 10 * time.Millisecond
	longestPause = time.Second
)

// pause waits before the given attempt, not at all before the first, and
// returns the cause when ctx ends.
func pause(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return sleep(ctx, 0)
	}
	return sleep(ctx, firstPause<<(attempt-1))
}

// longer is how long to wait after having waited for d: not at all when all is
// calm.
func longer(d time.Duration, calm bool) time.Duration {
	if calm {
		return 0
	}
	return min(max(2*d, firstPause), longestPause)
}

// sleep waits for d, and returns the cause when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// isRefusal says whether err is the API server's word that it did not do what
// it was asked. Any other error leaves open whether it did.
func isRefusal(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	code := status.Status().Code
	return code >= 400 && code < 500 && code != http.StatusRequestTimeout
}

// theirs returns err unless something else than the API server, such as a proxy
// on the way, answered: a 404 of that does not say that an object is gone, and a
// 403 not that nothing was written. Then it returns an error that says nothing.
func theirs(err error) error {
	if apierrors.IsUnexpectedServerError(err) {
		return errors.New("this is not an answer of the API server: " + err.Error())
	}
	return err
}

func (i *Injector) get(ctx context.Context, ref Ref) (*unstructured.Unstructured, error) {
	resource, err := ref.resource()
	if err != nil {
		return nil, err
	}
	obj, err := i.client.Resource(resource).Namespace(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	return obj, theirs(err)
}

// list returns the objects of a namespace, or of all with "".
func (i *Injector) list(
	ctx context.Context, resource schema.GroupVersionResource, namespace string, options metav1.ListOptions,
) ([]*unstructured.Unstructured, error) {
	found, err := i.client.Resource(resource).Namespace(namespace).List(ctx, options)
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("list %s: %s is not served here: %w", resource.Resource, resource.GroupVersion(), err)
	case err != nil:
		return nil, fmt.Errorf("list %s: %w", resource.Resource, err)
	}
	objects := make([]*unstructured.Unstructured, len(found.Items))
	for n := range found.Items {
		objects[n] = &found.Items[n]
	}
	return objects, nil
}

func (i *Injector) create(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	resource, err := refOf(obj).resource()
	if err != nil {
		return nil, err
	}
	stored, err := i.client.Resource(resource).Namespace(obj.GetNamespace()).
		Create(ctx, obj, metav1.CreateOptions{FieldManager: fieldManager})
	return stored, theirs(err)
}

// update writes obj over the version it was made from: the API server refuses
// with a conflict when there is a newer one.
func (i *Injector) update(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	resource, err := refOf(obj).resource()
	if err != nil {
		return nil, err
	}
	if obj.GetResourceVersion() == "" {
		return nil, fmt.Errorf("%s has no resourceVersion: it would overwrite whatever is there", refOf(obj))
	}
	stored, err := i.client.Resource(resource).Namespace(obj.GetNamespace()).
		Update(ctx, obj, metav1.UpdateOptions{FieldManager: fieldManager})
	return stored, theirs(err)
}

// remove deletes this very object, not one that took its name since.
func (i *Injector) remove(ctx context.Context, obj *unstructured.Unstructured) error {
	resource, err := refOf(obj).resource()
	if err != nil {
		return err
	}
	uid := obj.GetUID()
	return theirs(i.client.Resource(resource).Namespace(obj.GetNamespace()).
		Delete(ctx, obj.GetName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}}))
}
