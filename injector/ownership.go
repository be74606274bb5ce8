package injector

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// disowned returns a copy of obj on which this package manages no field any
// more, or nil when there is nothing to give up: no field, or a mark for which
// they are still needed. The API server makes whoever changes spec.http last
// the manager of all of it, and would refuse its user's next server-side apply
// of other routes as a conflict with us, long after the run.
func disowned(obj *unstructured.Unstructured) *unstructured.Unstructured {
	entries := at[[]any](obj.Object, "metadata", "managedFields")
	others := slices.DeleteFunc(slices.Clone(entries), func(entry any) bool {
		managed, _ := entry.(object)
		return managed["manager"] == fieldManager
	})
	if len(others) == len(entries) || len(others) == 0 || isLabelled(obj) || len(markedRuns(obj)) > 0 {
		return nil // of no entries at all, the API server would keep those it has
	}
	after := obj.DeepCopy()
	if err := unstructured.SetNestedSlice(after.Object, others, "metadata", "managedFields"); err != nil {
		return nil // they came from the API server, so they are JSON
	}
	return after
}

// disown gives up the fields of an object as a write of ours left it, and says
// whether that proves the object clean of run: the second write is done only on
// the very version of the first, and answers with what is stored then. It is
// done for the object's users and can fail without harm.
func (i *Injector) disown(ctx context.Context, obj *unstructured.Unstructured, run string) (clean bool) {
	after := disowned(obj)
	if after == nil {
		return false
	}
	stored, err := i.update(ctx, after)
	return err == nil && !carries(stored, run)
}
