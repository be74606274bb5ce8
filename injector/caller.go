package injector

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// splice is one Caller fault, ready to go into the routes of a VirtualService.
// It is data only, so that it can be made again on an object that changed.
type splice struct {
	on         Service
	from       Callers
	domain     string
	manyPorts  bool // the service has other ports too
	effect     Effect
	spot       spot
	headers    map[string]string
	allTraffic bool
	run        string
	mark       mark
	first      int      // number of the first route
	spare      int      // number of the first one when there turn out to be more than were planned
	replaces   []string // names that the splice's own routes had in earlier steps of a ramp

	ports     []int64                            // those of the service that are meant
	gateway   *unstructured.Unstructured         // the Gateway of from; nil when sidecars are meant
	children  map[Ref]*unstructured.Unstructured // what routes delegate to
	rivals    rivals
	authority string // set by into: the pattern that clones ask of a request's host
}

// into returns a copy of vs with the splice in it, and the names of the routes
// that were put in. The error says everything that is in the way, as far as it
// can be told from vs alone.
func (s splice) into(vs *unstructured.Unstructured) (*unstructured.Unstructured, []string, error) {
	if err := s.stillRoutes(vs); err != nil {
		return nil, nil, err
	}
	var err error
	if s.authority, err = s.hostPattern(vs); err != nil {
		return nil, nil, err
	}
	routes, err := s.withoutReplaced(at[[]any](vs.Object, "spec", "http"))
	if err != nil {
		return nil, nil, err
	}
	var idle []error
	merged, names, err := insertRoutes(routes, routeNames(s.run, s.first, routes), func(i int, route any) ([]object, error) {
		clones, err := s.clones(route, vs)
		if err == nil {
			return clones, nil
		}
		err = prefixed(fmt.Sprintf("spec.http[%d] ", i), err)
		if _, isIdle := errors.AsType[idleError](err); isIdle {
			idle = append(idle, err)
			return nil, nil
		}
		return nil, err
	})
	if err != nil {
		return nil, nil, err
	}
	if len(names) == 0 {
		return nil, nil, s.nothingToClone(idle)
	}
	after := withRoutes(vs, merged)
	return after, names, s.sign(after)
}

// withRoutes returns a copy of vs with these routes. What it has in common with
// vs is shared, but for the metadata: an object can have hundreds of routes.
func withRoutes(vs *unstructured.Unstructured, routes []any) *unstructured.Unstructured {
	after := &unstructured.Unstructured{Object: maps.Clone(vs.Object)}
	after.Object["metadata"] = runtime.DeepCopyJSONValue(vs.Object["metadata"])
	spec := maps.Clone(at[object](vs.Object, "spec"))
	spec["http"] = routes
	after.Object["spec"] = spec
	return after
}

// stillRoutes reports why vs is not, or no longer, the object to edit.
func (s splice) stillRoutes(vs *unstructured.Unstructured) error {
	if s.gateway != nil {
		list := slices.Collect(maps.Values(s.children))
		_, _, err := gatewayOwners(append(list, vs), s.question())
		return err
	}
	routesHost := slices.ContainsFunc(stringsAt(vs.Object, "spec", "hosts"), func(host string) bool {
		return hostMatches(resolveHost(host, vs.GetNamespace(), s.domain), s.on.host(s.domain))
	})
	if !routesHost || !forSidecars(vs.Object) {
		return fmt.Errorf("it does not route %s for the mesh", s.on.host(s.domain))
	}
	for _, port := range s.ports {
		if reach(vs.Object, port, s.from) == someone {
			return errLimited
		}
	}
	return nil
}

// question asks for the owners of what the splice is on.
func (s splice) question() question {
	return question{on: s.on, ports: s.ports, from: s.from, gateway: s.gateway, domain: s.domain}
}

// hostPattern returns the pattern that clones must ask of a request's host, so
// that other hosts of vs do not meet the fault; "" when there are none. At a
// gateway the hosts are those of the outside, and the destination tells.
func (s splice) hostPattern(vs *unstructured.Unstructured) (string, error) {
	if s.gateway != nil {
		return "", nil
	}
	others := otherHosts(vs.Object, vs.GetNamespace(), s.on, s.domain)
	switch {
	case len(others) == 0:
		return "", nil
	case shortNameIsShared(others, s.on, s.domain):
		return "", fmt.Errorf("it also routes services called %s in other namespaces (hosts %q), "+
			"whose requests cannot be told apart by name", s.on.Name, others)
	}
	return authorityPattern(s.on, s.domain), nil
}

// clones returns the faulted twins of a user's route, without names yet; none
// when requests of that route are not meant.
func (s splice) clones(route any, vs *unstructured.Unstructured) ([]object, error) {
	user, ok := route.(object)
	if !ok {
		return nil, errors.New("is not an object")
	}
	if user["redirect"] != nil || user["directResponse"] != nil {
		return nil, nil // its requests never reach the service
	}
	if err := s.checkDelegate(user, vs.GetNamespace()); err != nil {
		return nil, err
	}
	if meant, err := s.sendsThere(user, vs.GetNamespace()); err != nil || !meant {
		return nil, err
	}
	matches, reached, err := s.matches(user, vs)
	if err != nil || !reached {
		return nil, err
	}
	clone := maps.Clone(user) // what it shares with the user's, nobody writes to
	if headers, has := user["headers"]; has {
		clone["headers"] = runtime.DeepCopyJSONValue(headers)
	}
	if len(matches) > 0 {
		clone["match"] = matches
	}
	if err := unstructured.SetNestedField(clone, s.run, "headers", "response", "set", HeaderRun); err != nil {
		return nil, err
	}
	return s.effect.inRoute(clone, s.spot)
}

// nothingError says that no route of a VirtualService was meant.
type nothingError struct{ text string }

// Error returns the text.
func (e nothingError) Error() string { return e.text }

// nothingToClone says why no route of the VirtualService was meant. idle are the
// reasons why the effect would change nothing on some of them.
func (s splice) nothingToClone(idle []error) error {
	switch {
	case len(idle) > 0:
		return errors.Join(idle...)
	case s.from.String() != "":
		return nothingError{fmt.Sprintf("none of its routes sends requests of %s to %s", s.from, s.on)}
	case s.on.Subset != "":
		return nothingError{"none of its routes sends requests to subset " + s.on.Subset}
	case s.on.Port != 0:
		return nothingError{fmt.Sprintf("none of its routes forwards requests for port %d", s.on.Port)}
	}
	return nothingError{"none of its routes forwards requests to a service"}
}

// sign marks vs, with the run's routes in it, as edited by the run.
func (s splice) sign(vs *unstructured.Unstructured) error {
	routes := at[[]any](vs.Object, "spec", "http")
	m := s.mark
	earlier, _, err := markOf(vs, s.run) // an earlier fault of the same run
	if err != nil {
		return fmt.Errorf("mark of run %s: %w", s.run, err)
	}
	m.Created = m.Created || earlier.Created
	m.Routes = runRoutes(routes, s.run)
	if m.SHA, err = fingerprint(ownRoutes(routes, s.run)); err != nil {
		return err
	}
	return m.put(vs, s.run)
}
