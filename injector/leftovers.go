package injector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Leftover is the trace of one run on one object: a fault in the mesh, live or
// forgotten; or the Lease of a run that has nothing else.
type Leftover struct {
	Ref     Ref
	Run     string    // "" when there is a label and nothing that names a run
	By      string    // who made it; "" when the mark cannot be read
	Until   time.Time // when it is stale, by the API server's clock; zero when the mark cannot be read
	State   State     // whether its run lives
	Why     string    // why it has that state, in words
	Lease   Ref       // the Lease of its run, which goes with it; zero when none is where it was looked for
	Routes  []string  // routes of the run that the object has now
	Created bool      // the whole object is the run's: reverting deletes it
	Note    string    // what is odd about it, in words; "" when nothing is

	named string     // the Lease that the mark names
	pulse *heartbeat // what the Lease tells; nil when there is none
	err   error      // why the Lease cannot be read
}

// String returns the leftover in a line, such as "VirtualService
// shop/payments: run 7f3a by ada@ci/1 until 2026-01-02T15:04:05Z, live".
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
	out += ", " + l.State.String()
	if l.Why != "" {
		out += ": " + l.Why
	}
	if l.Note != "" {
		out += " (" + l.Note + ")"
	}
	return out
}

// markedResources are the kinds of objects that can carry a run's mark, the
// Lease aside.
func markedResources() []schema.GroupVersionResource {
	return []schema.GroupVersionResource{virtualServices, envoyFilters, serviceEntries}
}

// Leftovers returns the faults in the mesh, in the namespaces or with none in
// all, sorted by object and run. An object counts when it has the label or an
// annotation of ours; when annotations are broken or gone, the run is read from
// the names of routes, and Note says so. So it is with an object that lost both
// and still has the fault in it.
// The Lease of a run is in the list when nothing else of the run is. Leftovers
// only lists: a run whose Lease is overdue is Silent, not Stale. With an error
// it returns what it could read.
func (i *Injector) Leftovers(ctx context.Context, namespaces ...string) ([]Leftover, error) {
	namespaces = distinct(namespaces)
	var objects, held []*unstructured.Unstructured
	var errs []error
	read := func(into *[]*unstructured.Unstructured, resource schema.GroupVersionResource, options metav1.ListOptions) {
		for _, namespace := range namespaces {
			found, err := i.list(ctx, resource, namespace, options)
			*into, errs = append(*into, found...), append(errs, err)
		}
	}
	for _, resource := range markedResources() {
		read(&objects, resource, metav1.ListOptions{})
	}
	// The Leases come after what they stand for: a Lease is older than the marks
	// that name it, so one that is not there now is gone.
	read(&held, leases, metav1.ListOptions{LabelSelector: labelRun})
	found := i.assess(ctx, objects, held)
	if err := errors.Join(errs...); err != nil {
		return found, fmt.Errorf("leftovers: %w", err)
	}
	return found, nil
}

// distinct returns the namespaces once each; "" alone, which stands for all,
// when there are none or it is one of them.
func distinct(namespaces []string) []string {
	if len(namespaces) == 0 || slices.Contains(namespaces, metav1.NamespaceAll) {
		return []string{metav1.NamespaceAll}
	}
	namespaces = slices.Clone(namespaces)
	slices.Sort(namespaces)
	return slices.Compact(namespaces)
}

// assess returns the leftovers among objects and Leases, judged.
func (i *Injector) assess(ctx context.Context, objects, held []*unstructured.Unstructured) []Leftover {
	var found []Leftover
	for _, obj := range objects {
		found = append(found, leftoversOn(obj)...)
	}
	found = i.withLeases(ctx, found, held)
	now := i.Now()
	for n := range found {
		found[n].judge(now, 0)
	}
	slices.SortFunc(found, func(a, b Leftover) int {
		return strings.Compare(a.Ref.String()+" "+a.Run, b.Ref.String()+" "+b.Run)
	})
	return found
}

// judge sets the state of l, whose Lease was watched for so long in vain.
func (l *Leftover) judge(now time.Time, silent time.Duration) {
	e := evidence{now: now, until: l.Until, named: l.named, lease: l.pulse, unread: l.err, silent: silent}
	l.State, l.Why = e.judge()
}

// withLeases tells each leftover about the Lease of its run, and adds the
// Leases of runs that have nothing else. A Lease that a mark names and that is
// not among those held is asked for: it can be in another namespace.
func (i *Injector) withLeases(ctx context.Context, found []Leftover, held []*unstructured.Unstructured) []Leftover {
	pulses := map[string]*heartbeat{} // by run
	var alone []Leftover
	for _, lease := range held {
		run := refOf(lease).creator()
		if run == "" || !isLeaseOf(lease, run) {
			continue
		}
		pulse := heartbeatOf(lease, run)
		pulses[run] = &pulse
		if !slices.ContainsFunc(found, func(l Leftover) bool { return l.Run == run }) {
			l := leftoverOf(lease, run)
			l.Lease, l.pulse = l.Ref, &pulse
			alone = append(alone, l)
		}
	}
	type answer struct {
		pulse *heartbeat
		err   error
	}
	asked := map[string]answer{}
	for n := range found {
		l := &found[n]
		if pulse := pulses[l.Run]; pulse != nil && (l.named == "" || l.named == pulse.ref.key()) {
			l.pulse, l.Lease = pulse, pulse.ref
			continue
		}
		if l.named == "" {
			continue
		}
		a, known := asked[l.named]
		if !known {
			a.pulse, a.err = i.pulseOf(ctx, l.named, l.Run)
			asked[l.named] = a
		}
		l.pulse, l.err = a.pulse, a.err
	}
	return append(found, alone...)
}

// pulseOf reads the Lease of run that a mark names; nil when it is gone.
func (i *Injector) pulseOf(ctx context.Context, named, run string) (*heartbeat, error) {
	namespace, name, _ := strings.Cut(named, "/")
	lease, err := i.get(ctx, Ref{Kind: kindLease, Namespace: namespace, Name: name})
	if apierrors.IsNotFound(err) || err == nil && !isLeaseOf(lease, run) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	pulse := heartbeatOf(lease, run)
	return &pulse, nil
}

// leftoversOn returns the traces of runs on obj, not judged.
func leftoversOn(obj *unstructured.Unstructured) []Leftover {
	runs := markedRuns(obj)
	if len(runs) == 0 && !isLabelled(obj) && !isFaulted(obj) {
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
		found = append(found, leftoverOf(obj, run))
	}
	return found
}

// leftoverOf returns what obj tells about run.
func leftoverOf(obj *unstructured.Unstructured, run string) Leftover {
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
	l.By, l.Until, l.named = m.By, m.Until, m.Lease
	l.Note = oddities(obj, run, m, l.Routes)
	return l
}

// oddities says in what obj is not as the run of the mark left it.
func oddities(obj *unstructured.Unstructured, run string, m mark, routes []string) string {
	if note := strange(at[string](obj.Object, "metadata", "annotations", annotationPrefix+run)); note != "" || obj.GetKind() == kindLease {
		return note
	}
	var content any = ownRoutes(at[[]any](obj.Object, "spec", "http"), run)
	if obj.GetKind() != kindVirtualService {
		content = obj.Object["spec"]
	}
	sha, err := fingerprint(content)
	switch {
	case err != nil:
		return err.Error()
	case !slices.Equal(routes, m.Routes):
		return fmt.Sprintf("somebody removed or moved its routes: %q were put in", m.Routes)
	case sha != m.SHA:
		return "somebody changed what was put in"
	}
	return ""
}
