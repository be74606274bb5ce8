package injector

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// carries says whether anything of run is on obj: its annotation or a route, or
// its name with our label. Of the run "" there is a label without any mark.
func carries(obj *unstructured.Unstructured, run string) bool {
	if run == "" {
		return isLabelled(obj) && len(markedRuns(obj)) == 0
	}
	_, marked, _ := markOf(obj, run) // a mark that cannot be read is a mark
	return marked || len(runRoutes(at[[]any](obj.Object, "spec", "http"), run)) > 0 ||
		refOf(obj).creator() == run && isLabelled(obj)
}

// isWhole says whether obj as a whole was created by run, so that taking the
// run out means deleting it. The name says so, which holds the run's random
// name, and not the mark: people edit marks, and one that came along when
// somebody copied an object deletes nothing of theirs.
func isWhole(obj *unstructured.Unstructured, run string) bool {
	return run != "" && refOf(obj).creator() == run
}

// without returns a copy of obj with everything of run taken out: routes by
// name, the annotation, and the label when no other run is left. All else is as
// it is, whoever changed it since the fault was made.
func without(obj *unstructured.Unstructured, run string) (*unstructured.Unstructured, error) {
	after := obj.DeepCopy()
	if routes := at[[]any](after.Object, "spec", "http"); len(runRoutes(routes, run)) > 0 {
		if err := unstructured.SetNestedSlice(after.Object, removeRoutes(routes, run), "spec", "http"); err != nil {
			return nil, err
		}
	}
	unmark(after, run)
	return after, nil
}

// revertObject takes run out of one object and returns nil once it has read
// the object without a trace of it, or gone. With doubt, a write of ours may
// still be on its way to the API server: then one clean reading is not enough,
// and it keeps looking to the last.
func (i *Injector) revertObject(ctx context.Context, ref Ref, run string, doubt bool) error {
	var last error
	for attempt := range attempts {
		if err := pause(ctx, attempt); err != nil {
			return fmt.Errorf("revert %s: %w", ref, errors.Join(err, last))
		}
		clean, err := i.takeOut(ctx, ref, run)
		switch {
		case err != nil:
			if last = err; isRefusal(err) && !apierrors.IsConflict(err) {
				return fmt.Errorf("revert %s: %w", ref, err)
			}
		case !clean:
			doubt = false // what was on its way has arrived, and is out again
			last = errors.New("its mark came back after it was taken out")
		case !doubt || attempt == attempts-1:
			return nil
		}
	}
	return fmt.Errorf("revert %s: %w", ref, last)
}

// takeOut reads one object and says whether it is clean of run. If it is not,
// takeOut writes it without, or deletes it when all of it is the run's.
func (i *Injector) takeOut(ctx context.Context, ref Ref, run string) (clean bool, err error) {
	live, err := i.get(ctx, ref)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read: %w", err)
	}
	if !carries(live, run) {
		return true, nil
	}
	if isWhole(live, run) {
		if live.GetDeletionTimestamp() != nil {
			return false, fmt.Errorf("it is being deleted, but finalizers %q hold it", live.GetFinalizers())
		}
		if err := i.remove(ctx, live); err != nil && !apierrors.IsNotFound(err) {
			return false, fmt.Errorf("delete: %w", err)
		}
		return false, nil
	}
	after, err := without(live, run)
	if err != nil {
		return false, err
	}
	if _, err := i.update(ctx, after); err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("update: %w", err)
	}
	return false, nil
}
