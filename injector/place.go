package injector

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// errOver is why nothing is written any more.
var errOver = errors.New("the run is being reverted")

// place writes one edit and records it unless it surely was not written. On a
// conflict it is planned again on what is there.
func (inj *Injection) place(ctx context.Context, edit Edit) (err error) {
	inj.writing.Lock()
	defer inj.writing.Unlock()
	ctx, cancel := inj.whole(ctx)
	defer cancel()
	ours := inj.holds(edit.Ref) // an earlier edit of this run made a newer version
	again := ours
	for attempt := range attempts {
		if err := pause(ctx, attempt); err != nil {
			return err
		}
		if again {
			var arrived bool
			edit, arrived, err = inj.anew(ctx, edit, ours, attempt > 0)
			if arrived || err != nil {
				return because(ctx, err)
			}
		}
		if err := inj.mayWrite(ctx, edit); err != nil {
			return because(ctx, err)
		}
		if again, err = inj.submit(ctx, edit); !again {
			return because(ctx, err)
		}
	}
	return err
}

// whole returns ctx, ended too when the run is no longer what it was, or its
// revert begins: a request without an answer holds up neither.
func (inj *Injection) whole(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	lost := context.AfterFunc(inj.trouble, func() { cancel(context.Cause(inj.trouble)) })
	over := context.AfterFunc(inj.over, func() { cancel(errOver) })
	return ctx, func() {
		lost()
		over()
		cancel(nil)
	}
}

// because adds to err why ctx ended, if it did.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		return errors.Join(cause, err)
	}
	return err
}

// anew plans edit again on what is there. ours says that the object has an
// earlier edit of the run, tried that this one was sent before: it can have
// arrived though its answer said otherwise.
func (inj *Injection) anew(ctx context.Context, edit Edit, ours, tried bool) (_ Edit, arrived bool, err error) {
	live, err := inj.injector.get(ctx, edit.Ref)
	if err != nil {
		return edit, false, fmt.Errorf("read: %w", err)
	}
	if tried && inj.arrived(edit, live) {
		return edit, true, nil
	}
	if ours {
		if evicted := inj.evicted(edit.Ref, live, false); evicted != nil {
			return edit, false, evicted // planning again would put it back
		}
	}
	edit, err = edit.again(live, ours)
	return edit, false, err
}

// mayWrite says why edit must not be written now.
func (inj *Injection) mayWrite(ctx context.Context, edit Edit) error {
	if inj.over.Err() != nil {
		return errOver
	}
	if inj.trouble.Err() != nil {
		return context.Cause(inj.trouble)
	}
	inj.mu.Lock()
	refs := []Ref{edit.Ref}
	if inj.lease != nil {
		refs = append(refs, inj.lease.ref)
	}
	inj.mu.Unlock()
	if err := inj.injector.mayWrite(ctx, refs...); err != nil {
		return err
	}
	return inj.injector.permitted(ctx, inj.limits, inj.Edits(), edit)
}

// submit sends edit to the API server. again says that it is to be planned
// again, because somebody wrote meanwhile.
func (inj *Injection) submit(ctx context.Context, edit Edit) (again bool, err error) {
	stored, err := inj.write(ctx, edit)
	switch {
	case err == nil:
		edit.After = stored
		inj.record(edit, false)
	case apierrors.IsConflict(err) && edit.Before != nil:
		return true, err
	case apierrors.IsAlreadyExists(err):
		if live, readErr := inj.injector.get(ctx, edit.Ref); readErr == nil && inj.arrived(edit, live) {
			return false, nil
		}
	case !isRefusal(err):
		inj.record(edit, true)
	}
	return false, err
}

// arrived says whether live shows that an earlier try to write edit had arrived,
// though its answer said otherwise; then it is recorded. The run's Lease is ours
// alone, so this very mark is ours too.
func (inj *Injection) arrived(edit Edit, live *unstructured.Unstructured) bool {
	key := annotationPrefix + inj.run
	text, found := live.GetAnnotations()[key]
	if !found || text != edit.After.GetAnnotations()[key] {
		return false
	}
	edit.After = live
	inj.record(edit, false)
	return true
}

func (inj *Injection) write(ctx context.Context, edit Edit) (*unstructured.Unstructured, error) {
	if edit.Before == nil {
		return inj.injector.create(ctx, edit.After)
	}
	return inj.injector.update(ctx, edit.After)
}

// record notes an edit as written, or with doubt as perhaps written.
func (inj *Injection) record(edit Edit, perhaps bool) {
	inj.mu.Lock()
	defer inj.mu.Unlock()
	inj.edits = append(inj.edits, edit)
	if !slices.Contains(inj.pending, edit.Ref) {
		inj.pending = append(inj.pending, edit.Ref)
	}
	delete(inj.doubt, edit.Ref) // what was written now leaves no room for an older write
	if perhaps {
		inj.doubt[edit.Ref] = &doubt{}
		if edit.Before != nil {
			inj.doubt[edit.Ref].version = edit.Before.GetResourceVersion()
		}
	}
}

func (inj *Injection) holds(ref Ref) bool {
	inj.mu.Lock()
	defer inj.mu.Unlock()
	return slices.Contains(inj.pending, ref)
}
