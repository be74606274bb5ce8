package injector

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// takeOut reads one object and says whether it is clean of the run. If it is
// not, takeOut writes it without, or deletes it when all of it is the run's.
func (i *Injector) takeOut(ctx context.Context, u *undo) (clean bool, err error) {
	live, err := i.get(ctx, u.ref)
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("read: %w", err)
	case !carries(live, u.run):
		if u.doubt == nil {
			i.disown(ctx, live, u.run) // in case somebody's write came between ours
		}
		return u.fenced(ctx, i, live)
	case isWhole(live, u.run):
		if live.GetDeletionTimestamp() != nil {
			return false, i.defuse(ctx, live, u.run)
		}
		if err := i.remove(ctx, live); err != nil && !apierrors.IsNotFound(err) {
			return false, fmt.Errorf("delete: %w", err)
		}
		return false, nil
	}
	return i.writeWithout(ctx, u, live)
}

// writeWithout writes live without the run. clean says that the answer proves
// it gone, so that it need not be read again.
func (i *Injector) writeWithout(ctx context.Context, u *undo, live *unstructured.Unstructured) (clean bool, err error) {
	after, err := without(live, u.run)
	if err != nil {
		return false, err
	}
	u.bare = routeless(after)
	stored, err := i.update(ctx, after)
	switch {
	case err == nil && i.disown(ctx, stored, u.run):
		u.doubt = nil // what may have been on its way has arrived, and is out again
		return true, nil
	case err == nil, apierrors.IsNotFound(err):
		return false, nil
	}
	return false, fmt.Errorf("update: %w", err)
}

// routeless says whether obj is a VirtualService that has no routes at all.
func routeless(obj *unstructured.Unstructured) bool {
	return obj.GetKind() == kindVirtualService && !slices.ContainsFunc([]string{"http", "tcp", "tls"}, func(protocol string) bool {
		return len(at[[]any](obj.Object, "spec", protocol)) > 0
	})
}

// defuse takes the fault out of an object that is to be deleted as a whole, but
// that finalizers of others hold; the mark stays as long as the object. It
// returns why the object is still there.
func (i *Injector) defuse(ctx context.Context, live *unstructured.Unstructured, run string) error {
	held := fmt.Errorf("it is being deleted, but finalizers %q hold it", live.GetFinalizers())
	after := live.DeepCopy()
	routes := at[[]any](after.Object, "spec", "http")
	var err error
	switch {
	case len(runRoutes(routes, run)) > 0:
		err = unstructured.SetNestedSlice(after.Object, removeRoutes(routes, run), "spec", "http")
	case len(at[[]any](after.Object, "spec", "configPatches")) > 0:
		err = unstructured.SetNestedSlice(after.Object, []any{}, "spec", "configPatches")
	default:
		return held
	}
	if err == nil {
		_, err = i.update(ctx, after)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("%w, and so its fault cannot be taken out of it: %w", held, err)
	}
	return held
}

// fenced says whether no late write of ours can get at live, which is clean. A
// write that is still on its way was made from the version that live may still
// have: putting an empty mark on it makes a newer one, and the API server then
// refuses the late write. The mark goes like any other.
func (u *undo) fenced(ctx context.Context, i *Injector, live *unstructured.Unstructured) (bool, error) {
	if u.doubt == nil || u.doubt.version != live.GetResourceVersion() {
		return true, nil
	}
	marked := live.DeepCopy()
	if err := newMark(i.Now(), i.by).put(marked, u.run); err != nil {
		return false, err
	}
	if _, err := i.update(ctx, marked); err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("update: %w", err)
	}
	return false, nil
}
