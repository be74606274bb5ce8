package injector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Injection is a run's faults as they were written. Whoever has one must call
// Revert; if that process dies, what is on the objects is enough for anyone
// else to do it (see [Injector.RevertRun]). It is safe for concurrent use.
type Injection struct {
	injector *Injector
	run      string

	mu      sync.Mutex
	edits   []Edit
	pending []Ref // not known to be clean, in the order they were written
	doubt   map[Ref]bool
}

// Inject writes the edits of plan in their order. The Injection is never nil
// and holds what was written, and what may have been, also when there is an
// error: register Revert before looking at the error. When an object has
// changed since it was planned, its edit is planned again on what is there, or
// the injection ends with an error when the edit is no longer right.
func (i *Injector) Inject(ctx context.Context, plan Plan) (*Injection, error) {
	inj := &Injection{injector: i, run: plan.Run, doubt: map[Ref]bool{}}
	if len(plan.Edits) > 0 && !plan.Until.After(i.Now()) {
		return inj, fmt.Errorf("inject run %s: its faults are stale since %s", plan.Run, plan.Until)
	}
	for _, edit := range plan.Edits {
		if err := inj.place(ctx, edit); err != nil {
			return inj, fmt.Errorf("inject %s: %w", edit.Ref, err)
		}
	}
	return inj, nil
}

// place writes one edit and records it unless it surely was not written.
func (inj *Injection) place(ctx context.Context, edit Edit) error {
	again := inj.holds(edit.Ref) // an earlier edit of this run made a newer version
	ours := again
	var err error
	for attempt := range attempts {
		if err := pause(ctx, attempt); err != nil {
			return err
		}
		if again {
			live, err := inj.injector.get(ctx, edit.Ref)
			if err != nil {
				return fmt.Errorf("read: %w", err)
			}
			if edit, err = edit.again(live, ours); err != nil {
				return err
			}
		}
		var stored *unstructured.Unstructured
		stored, err = inj.write(ctx, edit)
		switch {
		case err == nil:
			edit.After = stored
			inj.record(edit, false)
			return nil
		case apierrors.IsConflict(err) && edit.Before != nil:
			again = true
		case isRefusal(err):
			return err
		default:
			inj.record(edit, true)
			return err
		}
	}
	return err
}

func (inj *Injection) write(ctx context.Context, edit Edit) (*unstructured.Unstructured, error) {
	if edit.Before == nil {
		return inj.injector.create(ctx, edit.After)
	}
	return inj.injector.update(ctx, edit.After)
}

// record notes an edit as written, or with doubt as perhaps written.
func (inj *Injection) record(edit Edit, doubt bool) {
	inj.mu.Lock()
	defer inj.mu.Unlock()
	inj.edits = recorded(inj.edits, edit)
	if !slices.Contains(inj.pending, edit.Ref) {
		inj.pending = append(inj.pending, edit.Ref)
	}
	inj.doubt[edit.Ref] = inj.doubt[edit.Ref] || doubt
}

func (inj *Injection) holds(ref Ref) bool {
	inj.mu.Lock()
	defer inj.mu.Unlock()
	return slices.Contains(inj.pending, ref)
}

// Run returns the name of the run; "" for a nil Injection.
func (inj *Injection) Run() string {
	if inj == nil {
		return ""
	}
	return inj.run
}

// Edits returns what was written, or may have been, with After as the API
// server stored it. It stays the same after a revert, so that one can look for
// what must be gone.
func (inj *Injection) Edits() []Edit {
	if inj == nil {
		return nil
	}
	inj.mu.Lock()
	defer inj.mu.Unlock()
	return slices.Clone(inj.edits)
}

// Revert takes the run out of every object that Inject touched, the last one
// first, and reads each back. It keeps what others changed meanwhile. It tries
// all of them; what cannot be proven clean is in the *[NotRevertedError]. It
// may be called again, then only for what was left, from several goroutines,
// and on nil. Give it a context that outlives the experiment's.
func (inj *Injection) Revert(ctx context.Context) error {
	if inj == nil {
		return nil
	}
	inj.mu.Lock()
	pending := slices.Clone(inj.pending)
	inj.mu.Unlock()
	slices.Reverse(pending)

	var failed []Ref
	var errs []error
	for _, ref := range pending {
		if err := inj.revert(ctx, ref); err != nil {
			failed, errs = append(failed, ref), append(errs, err)
		}
	}
	return notReverted(inj.run, failed, errs)
}

// revert takes the run out of one object and strikes it off the list.
func (inj *Injection) revert(ctx context.Context, ref Ref) error {
	inj.mu.Lock()
	doubt := inj.doubt[ref]
	inj.mu.Unlock()
	if err := inj.injector.revertObject(ctx, ref, inj.run, doubt); err != nil {
		return err
	}
	inj.mu.Lock()
	defer inj.mu.Unlock()
	inj.pending = slices.DeleteFunc(inj.pending, func(other Ref) bool { return other == ref })
	return nil
}

// notReverted returns a *NotRevertedError, or nil when nothing failed.
func notReverted(run string, failed []Ref, errs []error) error {
	if len(failed) == 0 {
		return nil
	}
	return &NotRevertedError{Run: run, Refs: failed, Cause: errors.Join(errs...)}
}
