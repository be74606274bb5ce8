package injector

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A route with a delegate stands for the routes of another VirtualService, the
// child. Istio merges the two: each of the child's routes gets the conditions of
// both, and the fault of the root when it has none (pilot/pkg/model/
// virtualservice.go, mergeHTTPRoute). So it is the root's route that is cloned,
// and the child, which other roots may use too, is never edited. The merged
// route is called <root's name>-<child's name>.

// delegates returns those of list that others can delegate to.
func delegates(list []*unstructured.Unstructured) map[Ref]*unstructured.Unstructured {
	children := map[Ref]*unstructured.Unstructured{}
	for _, vs := range list {
		if len(at[[]any](vs.Object, "spec", "hosts")) == 0 {
			children[refOf(vs)] = vs
		}
	}
	return children
}

// childRef names the VirtualService that a route in namespace delegates to.
func childRef(route object, namespace string) (ref Ref, delegated bool) {
	d, delegated := route["delegate"].(object)
	ref = Ref{Kind: kindVirtualService, Namespace: namespace, Name: at[string](d, "name")}
	if other := at[string](d, "namespace"); other != "" {
		ref.Namespace = other
	}
	return ref, delegated
}

// leaf is a route as requests meet it.
type leaf struct {
	route     object
	namespace string // of the object it is in, where its short host names belong
}

// leaves returns the routes that a route stands for: itself, or those of its
// delegate.
func leaves(route object, namespace string, children map[Ref]*unstructured.Unstructured) []leaf {
	ref, delegated := childRef(route, namespace)
	if !delegated {
		return []leaf{{route, namespace}}
	}
	var found []leaf
	if child := children[ref]; child != nil {
		for _, r := range objectsAt(child.Object, "spec", "http") {
			found = append(found, leaf{r, ref.Namespace})
		}
	}
	return found
}

// checkDelegate reports why the clone of a delegated route would not do to the
// child's routes what it says, or nil. Routes without delegate are fine.
func (s splice) checkDelegate(route object, namespace string) error {
	ref, delegated := childRef(route, namespace)
	if !delegated {
		return nil
	}
	child := s.children[ref]
	switch {
	case child == nil:
		return fmt.Errorf("delegates to %s, which is not there, cannot be read, or has hosts of its own", ref)
	case !visibleTo(child, namespace):
		return fmt.Errorf("delegates to %s, which is not exported to namespace %s", ref, namespace)
	}
	routes := at[[]any](child.Object, "spec", "http")
	if len(routes) == 0 {
		return fmt.Errorf("delegates to %s, which has no HTTP routes", ref)
	}
	var errs []error
	for i, r := range routes {
		errs = append(errs, prefixed(fmt.Sprintf("delegates to %s, whose spec.http[%d] ", ref, i), s.checkChild(r)))
	}
	return errors.Join(errs...)
}

// checkChild reports why a child's route would not take over the fault.
func (s splice) checkChild(route any) error {
	r, ok := route.(object)
	if !ok {
		return errors.New("is not an object")
	}
	switch {
	case r["fault"] != nil:
		return errors.New("has a fault of its own, which it would keep")
	case r["redirect"] != nil:
		return errors.New("redirects: its requests never reach the service, but would meet the fault")
	case r["directResponse"] != nil:
		return errors.New("answers on its own: its requests never reach the service, but would meet the fault")
	case r["delegate"] != nil:
		return errors.New("delegates once more, which Istio does not follow")
	}
	var errs []error
	for _, match := range objectsAt(r, "match") {
		errs = append(errs, s.checkChildMatch(match))
	}
	return errors.Join(errs...)
}

// checkChildMatch reports why Istio would not join a child's match to that of a
// clone: two conditions on one thing, and the child's route is left out.
func (s splice) checkChildMatch(match object) error {
	var errs []error
	clash := func(on string, does bool) {
		if does {
			errs = append(errs, fmt.Errorf("matches on %s, as the fault has to: Istio would leave the route out", on))
		}
	}
	port := at[int64](match, "port")
	clash("authority", s.authority != "" && match["authority"] != nil)
	clash("another port", s.narrowsPort() && port != 0 && port != int64(s.on.Port))
	clash("gateways", s.from.String() != "" && len(stringsAt(match, "gateways")) > 0)
	clash("another sourceNamespace or none",
		s.from.Namespace != "" && at[string](match, "sourceNamespace") != s.from.Namespace)
	for name, asked := range at[object](match, "sourceLabels") {
		value, meant := s.from.Labels[name]
		clash("sourceLabels "+name, meant && asked != value)
	}
	for _, name := range s.clashingHeaders(match) {
		clash(name, true)
	}
	return errors.Join(errs...)
}

// clashingHeaders returns the headers that both a clone and a child's match ask
// for. Of the run's two, one is enough.
func (s splice) clashingHeaders(match object) []string {
	var both []string
	for _, name := range slices.Sorted(maps.Keys(s.headers)) {
		if asksFor(match, name) {
			both = append(both, "header "+name)
		}
	}
	if !s.allTraffic && len(s.headers) == 0 && asksFor(match, HeaderRun) && asksFor(match, HeaderBaggage) {
		both = append(both, HeaderRun+" and "+HeaderBaggage)
	}
	return both
}
