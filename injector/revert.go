package injector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// revertBudget is for how long a revert goes on through trouble when its
// context has no deadline.
const revertBudget = 30 * time.Second

// tryBudget is for how long one try at one object may take, so that an answer
// which never comes holds up neither the other objects nor the next try.
const tryBudget = 5 * time.Second

// settleFor is for how long an object that may still be created by a request
// of ours that nobody answered is looked for.
const settleFor = 1300 * time.Millisecond

// maxReturns is how often a mark may come back before a revert gives up.
const maxReturns = 8

// carries says whether anything of run is on obj: its annotation or a route, or
// its name with our label. Of the run "" there is a label without any mark.
func carries(obj *unstructured.Unstructured, run string) bool {
	if run == "" {
		return isLabelled(obj) && len(markedRuns(obj)) == 0
	}
	_, marked, _ := markOf(obj, run) // a mark that cannot be read is a mark
	return marked || len(runRoutes(at[[]any](obj.Object, "spec", "http"), run)) > 0 ||
		refOf(obj).creator() == run && (isLabelled(obj) || isFaulted(obj))
}

// isFaulted says whether what makes a fault of ours is in obj, marks or not. A
// name alone does not tell: users may have it too.
func isFaulted(obj *unstructured.Unstructured) bool {
	for _, route := range objectsAt(obj.Object, "spec", "http") {
		if run := routeRun(route); run != "" && at[string](route, "headers", "response", "set", HeaderRun) == run {
			return true
		}
	}
	run := refOf(obj).creator()
	switch obj.GetKind() {
	case kindEnvoyFilter:
		configs, _ := filtersOf(obj)
		return run != "" && len(configs) > 0
	case kindServiceEntry:
		return run != "" && slices.ContainsFunc(stringsAt(obj.Object, "spec", "hosts"), isHole)
	}
	return false
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
// it is, whoever changed it since the fault was made: a list of routes that
// somebody else emptied stays, empty.
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

// undo is taking one run out of one object, under way.
type undo struct {
	ref   Ref
	run   string
	doubt *doubt

	trouble  error // what the last try met
	returns  int   // how often it was taken out
	refusals int   // how often in a row the API server did not know us
	bare     bool  // without the run, it is a VirtualService that has no routes
}

// doubt is about a write of ours that nobody answered: it may still be on its
// way to the API server.
type doubt struct {
	version string    // the resourceVersion it was made from; "" when it creates the object
	since   time.Time // when the object was first read without it
}

// revertAll takes out all the undos, one try each in turn, so that none has to
// wait for the trouble of another. It goes on until each was read without a
// trace of its run, was refused, or ctx ends, and returns those that failed.
func (i *Injector) revertAll(ctx context.Context, undos []*undo) (failed []*undo) {
	ctx, cancel := budget(ctx)
	defer cancel()
	open, patience := undos, time.Duration(0)
	for len(open) > 0 {
		if err := sleep(ctx, patience); err != nil {
			for _, u := range open {
				u.trouble = errors.Join(fmt.Errorf("gave up: %w", err), u.trouble)
			}
			return append(failed, open...)
		}
		var next []*undo
		calm := true
		for _, u := range open {
			clean, err := i.try(ctx, u)
			switch {
			case err != nil && u.isHopeless(err):
				failed = append(failed, u)
			case !clean:
				next = append(next, u)
				calm = calm && err == nil && u.doubt == nil && u.returns < 2
			}
		}
		open, patience = next, longer(patience, calm)
	}
	return failed
}

// routesFirst sorts undos so that routes go before what they lead to.
func routesFirst(undos []*undo) []*undo {
	slices.SortStableFunc(undos, func(a, b *undo) int {
		return strings.Compare(b.ref.Kind, a.ref.Kind) // VirtualService, ServiceEntry, EnvoyFilter
	})
	return undos
}

// budget gives ctx the default deadline if it has none.
func budget(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, set := ctx.Deadline(); set {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, revertBudget, fmt.Errorf("%s have passed", revertBudget))
}

// try is one try to take an undo out. clean says that it was read without a
// trace of its run, and no write of ours can bring it back.
func (i *Injector) try(ctx context.Context, u *undo) (clean bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, tryBudget, fmt.Errorf("no answer in %s", tryBudget))
	defer cancel()
	clean, err = i.takeOut(ctx, u)
	u.trouble = explain(err, u)
	switch {
	case err != nil:
		return false, err
	case clean:
		return u.settled(), nil
	}
	u.doubt = nil // what may have been on its way has arrived, and is out again
	if u.returns++; u.returns >= 2 {
		u.trouble = errors.New("its mark came back after it was taken out")
	}
	if u.returns > maxReturns {
		return false, u.trouble
	}
	return false, nil
}

// isHopeless says whether trying again is of no use.
func (u *undo) isHopeless(err error) bool {
	if u.returns > maxReturns {
		return true
	}
	if apierrors.IsUnauthorized(err) { // credentials can be renewed meanwhile
		u.refusals++
		return u.refusals > 2
	}
	u.refusals = 0
	return isRefusal(err) && !apierrors.IsConflict(err) && !apierrors.IsTooManyRequests(err)
}

// settled says whether an object that is not there was looked for long enough:
// against a late creation nothing helps but looking again.
func (u *undo) settled() bool {
	if u.doubt == nil || u.doubt.version != "" {
		return true
	}
	if u.doubt.since.IsZero() {
		u.doubt.since = time.Now()
	}
	return time.Since(u.doubt.since) >= settleFor
}
