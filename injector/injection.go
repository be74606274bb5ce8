package injector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Injection is a run's faults as they were written. Whoever has one must call
// Revert: until then it renews the run's Lease each second, in a goroutine, so
// that others know the run is alive. If the process dies, what is on the
// objects is enough for anyone else to take them out (see
// [Injector.RevertStale]). It is safe for concurrent use.
type Injection struct {
	injector *Injector
	run      string
	limits   BlastRadius // of the plan

	trouble context.Context         // ends, with the cause, when the run is no longer what it was
	end     context.CancelCauseFunc // ends trouble; the first cause counts
	over    context.Context         // ends when the revert begins
	revoke  context.CancelFunc      // ends over

	writing   sync.Mutex // held over a write and its record
	reverting sync.Mutex // held over a revert

	mu      sync.Mutex
	lease   *undo   // nil when there is none, or no longer
	keeper  *keeper // nil when nothing is renewed
	edits   []Edit
	pending []Ref // not known to be clean, in the order they were written
	doubt   map[Ref]*doubt
}

func (i *Injector) newInjection(ctx context.Context, plan Plan) *Injection {
	inj := &Injection{injector: i, run: plan.Run, limits: plan.Limits, doubt: map[Ref]*doubt{}}
	ctx = context.WithoutCancel(ctx)
	inj.trouble, inj.end = context.WithCancelCause(ctx)
	inj.over, inj.revoke = context.WithCancel(ctx)
	return inj
}

// Inject creates the run's Lease, and then writes the edits of plan in their
// order. The Injection is never nil and holds what was written, and what may
// have been, also when there is an error: register Revert before looking at the
// error. When an object has changed since it was planned, its edit is planned
// again on what is there, or the injection ends with an error when the edit is
// no longer right. Before each write the halt flags of the object's namespace
// and of the Lease's are looked for; one that is set is a *[HaltedError].
func (i *Injector) Inject(ctx context.Context, plan Plan) (*Injection, error) {
	inj := i.newInjection(ctx, plan)
	if len(plan.Edits) == 0 {
		return inj, nil
	}
	if err := i.mayWrite(ctx, plan.refs()...); err != nil {
		return inj, fmt.Errorf("inject run %s: %w", plan.Run, err)
	}
	if !plan.Until.After(i.Now()) { // asked after the first answer has set the clock
		return inj, fmt.Errorf("inject run %s: its faults are stale since %s", plan.Run, plan.Until)
	}
	if err := inj.claim(ctx, plan); err != nil {
		return inj, fmt.Errorf("inject run %s: %w", plan.Run, err)
	}
	for _, edit := range plan.Edits {
		if err := inj.place(ctx, edit); err != nil {
			return inj, fmt.Errorf("inject %s: %w", edit.Ref, err)
		}
	}
	return inj, nil
}

// namespaces returns where the injection has its Lease and objects.
func (inj *Injection) namespaces() []string {
	inj.mu.Lock()
	defer inj.mu.Unlock()
	refs := slices.Clone(inj.pending)
	if inj.lease != nil {
		refs = append(refs, inj.lease.ref)
	}
	return namespacesOf(refs)
}

// Run returns the name of the run; "" for a nil Injection.
func (inj *Injection) Run() string {
	if inj == nil {
		return ""
	}
	return inj.run
}

// Edits returns what was written, or may have been, with After as the API
// server stored it; of the steps of a ramp, the last. It stays the same after a
// revert, so that one can look for what must be gone.
func (inj *Injection) Edits() []Edit {
	var last []Edit
	for _, edit := range inj.history() {
		i := slices.IndexFunc(last, func(e Edit) bool { return e.Ref == edit.Ref && e.Fault == edit.Fault })
		if i < 0 {
			last = append(last, edit)
		} else {
			last[i] = edit
		}
	}
	return last
}

// history returns all that was written, or may have been, in its order.
func (inj *Injection) history() []Edit {
	if inj == nil {
		return nil
	}
	inj.mu.Lock()
	defer inj.mu.Unlock()
	return slices.Clone(inj.edits)
}

// Revert stops renewing the Lease, takes the run out of every object that
// Inject touched, the last one first, reads each back, and deletes the Lease
// when all are clean. It keeps what others changed meanwhile. Through trouble
// that may pass (conflicts, 5xx, 429, a network that is away) it goes on until
// ctx ends, or for 30 s when ctx has no deadline; a refusal ends it at once, for
// that object. What cannot be proven clean is in the *[NotRevertedError]; the
// Lease is then left and goes stale. Revert may be called again, then only for
// what was left, from several goroutines, and on nil. Give it a context that
// outlives the experiment's.
func (inj *Injection) Revert(ctx context.Context) error {
	if inj == nil {
		return nil
	}
	inj.reverting.Lock()
	defer inj.reverting.Unlock()
	inj.finish()
	if err := inj.undo(ctx, inj.objects()); err != nil {
		return err
	}
	inj.mu.Lock()
	lease := inj.lease
	inj.mu.Unlock()
	if lease == nil {
		return nil
	}
	return inj.undo(ctx, []*undo{lease})
}

// finish returns when nothing is written any more and nothing renewed: a write
// that is under way is recorded first.
func (inj *Injection) finish() {
	inj.revoke()
	inj.writing.Lock()
	defer inj.writing.Unlock()
	inj.mu.Lock()
	keeper := inj.keeper
	inj.mu.Unlock()
	if keeper != nil {
		keeper.stop()
	}
}

// objects returns what is to be undone, the last one first.
func (inj *Injection) objects() []*undo {
	inj.mu.Lock()
	defer inj.mu.Unlock()
	var undos []*undo
	for _, ref := range slices.Backward(inj.pending) {
		undos = append(undos, &undo{ref: ref, run: inj.run, doubt: inj.doubt[ref]})
	}
	return undos
}

// undo takes undos out and strikes them off the list.
func (inj *Injection) undo(ctx context.Context, undos []*undo) error {
	failed := inj.injector.revertAll(ctx, undos)
	inj.mu.Lock()
	defer inj.mu.Unlock()
	for _, u := range undos {
		if slices.Contains(failed, u) {
			continue
		}
		inj.pending = slices.DeleteFunc(inj.pending, func(ref Ref) bool { return ref == u.ref })
		if inj.lease == u {
			inj.lease = nil
		}
	}
	var lease Ref
	if inj.lease != nil {
		lease = inj.lease.ref
	}
	return notReverted(inj.run, lease, failed)
}

// notReverted returns a *NotRevertedError, or nil when nothing failed.
func notReverted(run string, lease Ref, failed []*undo) error {
	if len(failed) == 0 {
		return nil
	}
	e := &NotRevertedError{Run: run, Lease: lease}
	var causes []error
	for _, u := range failed {
		e.Refs, causes = append(e.Refs, u.ref), append(causes, u.trouble)
	}
	e.Cause = errors.Join(causes...)
	return e
}
