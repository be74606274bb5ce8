package injector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Leftover is the trace of one run on one object: a fault in the mesh, live or
// forgotten.
type Leftover struct {
	Ref     Ref
	Run     string    // "" when there is a label and nothing that names a run
	By      string    // who made it; "" when the mark cannot be read
	Until   time.Time // when it is stale; zero when the mark cannot be read
	Expired bool      // Until has passed, by the API server's clock
	Routes  []string  // routes of the run that the object has now
	Created bool      // the whole object is the run's: reverting deletes it
	Note    string    // what is odd about it, in words; "" when nothing is
}

// String returns the leftover in a line, such as
// "VirtualService shop/payments: run 7f3a by ada@ci/1 until 2026-01-02T15:04:05Z".
func (l Leftover) String() string {
	out := l.Ref.String() + ": "
	if l.Run == "" {
		out += "no run"
	} else {
		out += "run " + l.Run
	}
	if !l.Until.IsZero() {
		out += fmt.Sprintf(" by %s until %s", l.By, l.Until.Format(time.RFC3339))
	}
	if l.Expired {
		out += ", expired"
	}
	if l.Note != "" {
		out += " (" + l.Note + ")"
	}
	return out
}

// Leftovers returns the faults in the mesh, in one namespace or with "" in all,
// sorted by object and run. An object counts when it has the label or an
// annotation of ours; when annotations are broken or gone, the run is read from
// the names of routes, and Note says so. An object that lost both is not found.
func (i *Injector) Leftovers(ctx context.Context, namespace string) ([]Leftover, error) {
	vss, errVS := i.list(ctx, virtualServices, namespace, metav1.ListOptions{})
	filters, errEF := i.list(ctx, envoyFilters, namespace, metav1.ListOptions{})
	entries, errSE := i.list(ctx, serviceEntries, namespace, metav1.ListOptions{})
	if err := errors.Join(errVS, errEF, errSE); err != nil {
		return nil, fmt.Errorf("leftovers: %w", err)
	}
	now := i.Now()
	var found []Leftover
	for _, obj := range slices.Concat(vss, filters, entries) {
		found = append(found, leftoversOn(obj, now)...)
	}
	slices.SortFunc(found, func(a, b Leftover) int {
		return strings.Compare(a.Ref.String()+" "+a.Run, b.Ref.String()+" "+b.Run)
	})
	return found, nil
}

// leftoversOn returns the traces of runs on obj.
func leftoversOn(obj *unstructured.Unstructured, now time.Time) []Leftover {
	runs := markedRuns(obj)
	if len(runs) == 0 && !isLabelled(obj) {
		return nil
	}
	for _, route := range at[[]any](obj.Object, "spec", "http") {
		runs = append(runs, routeRun(route))
	}
	runs = append(runs, refOf(obj).creator())
	slices.Sort(runs)
	runs = slices.DeleteFunc(slices.Compact(runs), func(run string) bool { return run == "" })
	if len(runs) == 0 {
		return []Leftover{{Ref: refOf(obj), Note: "it has the label, and nothing else of a run"}}
	}
	var found []Leftover
	for _, run := range runs {
		found = append(found, leftoverOf(obj, run, now))
	}
	return found
}

// leftoverOf returns what obj tells about run.
func leftoverOf(obj *unstructured.Unstructured, run string, now time.Time) Leftover {
	routes := at[[]any](obj.Object, "spec", "http")
	l := Leftover{Ref: refOf(obj), Run: run, Routes: runRoutes(routes, run), Created: isWhole(obj, run)}
	m, marked, err := markOf(obj, run)
	switch {
	case !marked:
		l.Note = "its annotation is gone"
		return l
	case err != nil:
		l.Note = fmt.Sprintf("its annotation cannot be read: %v", err)
		return l
	}
	l.By, l.Until, l.Expired = m.By, m.Until, !now.Before(m.Until)
	var content any = ownRoutes(routes, run)
	if l.Ref.Kind != kindVirtualService {
		content = obj.Object["spec"]
	}
	sha, err := fingerprint(content)
	switch {
	case err != nil:
		l.Note = err.Error()
	case !slices.Equal(l.Routes, m.Routes):
		l.Note = fmt.Sprintf("somebody removed or moved its routes: %q were put in", m.Routes)
	case sha != m.SHA:
		l.Note = "somebody changed what was put in"
	}
	return l
}

// RevertRun takes a run out of every object in the cluster that has a mark of
// it, whichever process made it. It needs no [Injection]. A run without a mark
// is an *[UnknownRunError]; what cannot be proven clean is in the
// *[NotRevertedError].
func (i *Injector) RevertRun(ctx context.Context, run string) error {
	found, err := i.Leftovers(ctx, metav1.NamespaceAll)
	if err != nil {
		return fmt.Errorf("revert run %s: %w", run, err)
	}
	found = slices.DeleteFunc(found, func(l Leftover) bool { return run == "" || l.Run != run })
	if len(found) == 0 {
		return &UnknownRunError{Run: run}
	}
	return i.RevertLeftovers(ctx, found)
}

// RevertLeftovers takes out what [Injector.Leftovers] found, or a choice of it.
// It tries all of them; for each run of which something may be left there is a
// *[NotRevertedError] among the joined errors. What is gone already is fine.
func (i *Injector) RevertLeftovers(ctx context.Context, leftovers []Leftover) error {
	var runs []string
	failed, causes := map[string][]Ref{}, map[string][]error{}
	for _, l := range routesFirst(leftovers) {
		if !slices.Contains(runs, l.Run) {
			runs = append(runs, l.Run)
		}
		if err := i.revertObject(ctx, l.Ref, l.Run, false); err != nil {
			failed[l.Run], causes[l.Run] = append(failed[l.Run], l.Ref), append(causes[l.Run], err)
		}
	}
	var errs []error
	for _, run := range runs {
		errs = append(errs, notReverted(run, failed[run], causes[run]))
	}
	return errors.Join(errs...)
}

// routesFirst returns leftovers with the VirtualServices before what their
// routes lead to.
func routesFirst(leftovers []Leftover) []Leftover {
	sorted := slices.Clone(leftovers)
	slices.SortStableFunc(sorted, func(a, b Leftover) int {
		return strings.Compare(b.Ref.Kind, a.Ref.Kind) // VirtualService, ServiceEntry, EnvoyFilter
	})
	return sorted
}
