package injector

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
)

// watchAgain is how long to wait before a watch that was lost is begun anew.
// Where watches are forbidden, this is how often objects are read instead.
const watchAgain = 250 * time.Millisecond

// trustWatch is for how long nothing needs to come of a watch until the object
// is read again: a connection can be dead without anybody knowing.
const trustWatch = 3 * time.Second

// Context returns a context for what is done while the faults are in. It ends
// with ctx, and as soon as the run is no longer what it was; [context.Cause]
// then is
//
//   - an *[EvictedError] when somebody took out or changed what was put in: each
//     touched object is watched, from the version that was written on;
//   - a *[LeaseLostError] when the Lease was deleted, or could not be renewed for
//     two thirds of its duration, or the plan's Until has passed;
//   - a *[HaltedError] when a namespace of the run has the halt flag, which is
//     looked for each second.
//
// It does not end when Revert begins: what Revert does is no eviction. Call the
// cancel function; it returns when nothing is watched any more.
func (inj *Injection) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if inj == nil {
		return ctx, func() { cancel(nil) }
	}
	detach := context.AfterFunc(inj.trouble, func() { cancel(context.Cause(inj.trouble)) })
	watching, stop := context.WithCancel(ctx)
	revoke := context.AfterFunc(inj.over, stop)
	var watches sync.WaitGroup
	for _, ref := range inj.touched() {
		watches.Go(func() {
			if evicted := inj.guard(watching, ref); evicted != nil {
				inj.end(evicted)
			}
		})
	}
	return ctx, func() {
		detach()
		revoke()
		stop()
		cancel(nil)
		watches.Wait()
	}
}

// touched returns the objects that hold something of the run.
func (inj *Injection) touched() []Ref {
	inj.mu.Lock()
	defer inj.mu.Unlock()
	return slices.Clone(inj.pending)
}

// guard returns what happened to ref once the run's part of it is not as it was
// written, and nil when ctx ends. An object is read whenever a watch begins, so
// that nothing is missed between two.
func (inj *Injection) guard(ctx context.Context, ref Ref) *EvictedError {
	for {
		if evicted := inj.look(ctx, ref); evicted != nil {
			return evicted
		}
		if sleep(ctx, watchAgain) != nil {
			return nil
		}
	}
}

// look reads ref and watches it from there on, for as long as a watch is
// trusted.
func (inj *Injection) look(ctx context.Context, ref Ref) *EvictedError {
	ctx, cancel := context.WithTimeout(ctx, trustWatch)
	defer cancel()
	live, err := inj.injector.get(ctx, ref)
	if apierrors.IsNotFound(err) {
		live, err = nil, nil
	}
	if err != nil {
		return nil // not read: that tells nothing
	}
	if evicted := inj.verdict(ref, live, false); evicted != nil || live == nil {
		return evicted
	}
	return inj.follow(ctx, ref, live.GetResourceVersion())
}

// follow watches ref from a version on, and returns what happened to it, or nil
// when the watch is lost or ctx ends.
func (inj *Injection) follow(ctx context.Context, ref Ref, version string) *EvictedError {
	resource, err := ref.resource()
	if err != nil {
		return nil
	}
	watched, err := inj.injector.client.Resource(resource).Namespace(ref.Namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector: "metadata.name=" + ref.Name, ResourceVersion: version, AllowWatchBookmarks: true,
	})
	if err != nil {
		return nil
	}
	defer watched.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, open := <-watched.ResultChan():
			if !open || event.Type == watch.Error {
				return nil
			}
			if evicted := inj.heard(ref, event); evicted != nil {
				return evicted
			}
		}
	}
}

// heard returns what happened to ref if the event tells that the run's part of
// it is not as it was written.
func (inj *Injection) heard(ref Ref, event watch.Event) *EvictedError {
	live, isObject := event.Object.(*unstructured.Unstructured)
	if !isObject || event.Type == watch.Bookmark || refOf(live) != ref {
		return nil
	}
	if event.Type == watch.Deleted {
		live = nil
	}
	return inj.verdict(ref, live, true)
}

// verdict is evicted, once a write of ours that is under way is recorded, and
// nil when the revert has begun.
func (inj *Injection) verdict(ref Ref, live *unstructured.Unstructured, past bool) *EvictedError {
	inj.writing.Lock()
	defer inj.writing.Unlock()
	if inj.over.Err() != nil {
		return nil
	}
	return inj.evicted(ref, live, past)
}

// evicted says what of the run is not on live as it was written; nil for live
// means that it was deleted. A version from the past may be any that was
// written; the present one must be the last.
func (inj *Injection) evicted(ref Ref, live *unstructured.Unstructured, past bool) *EvictedError {
	evicted := &EvictedError{Ref: ref, Run: inj.run, Found: "it was deleted"}
	if live == nil {
		return evicted
	}
	evicted.By = lastManager(live)
	for _, edit := range slices.Backward(inj.history()) {
		if edit.Ref != ref {
			continue
		}
		found := edit.missing(live, inj.run)
		if found == "" {
			return nil
		}
		if evicted.Found = found; !past {
			break
		}
	}
	return evicted
}

// missing says what of the edit is not on live, or "".
func (e Edit) missing(live *unstructured.Unstructured, run string) string {
	if !carries(live, run) {
		return "nothing of the run is left"
	}
	if _, marked, _ := markOf(live, run); !marked {
		return "the mark of the run is gone, which says how to undo it"
	}
	written, there := e.After.Object["spec"], live.Object["spec"]
	if e.Before != nil && len(e.Routes) > 0 {
		routes, wanted := at[[]any](live.Object, "spec", "http"), at[[]any](e.After.Object, "spec", "http")
		if have, want := runRoutes(routes, run), runRoutes(wanted, run); !slices.Equal(have, want) {
			return fmt.Sprintf("the run's routes are %q, not %q", have, want)
		}
		written, there = ownRoutes(wanted, run), ownRoutes(routes, run)
	}
	was, errWas := fingerprint(written)
	is, errIs := fingerprint(there)
	if was != is || errWas != nil || errIs != nil {
		return "what the run put in was changed"
	}
	return ""
}

// lastManager returns the field manager that changed obj last, ours aside.
func lastManager(obj *unstructured.Unstructured) string {
	last := metav1.ManagedFieldsEntry{}
	for _, entry := range obj.GetManagedFields() {
		if entry.Manager != fieldManager && entry.Time != nil && (last.Time == nil || !entry.Time.Before(last.Time)) {
			last = entry
		}
	}
	return last.Manager
}
