package injector

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// splice is one Caller fault, ready to go into the routes of a VirtualService.
// It is data only, so that it can be made again on an object that changed.
type splice struct {
	on         Service
	domain     string
	manyPorts  bool // the service has other ports too
	effect     Effect
	spot       spot
	allTraffic bool
	run        string
	mark       mark
	first      int      // number of the first route
	replaces   []string // names that the splice's own routes had in earlier steps of a ramp
}

// into returns a copy of vs with the splice in it, and the names of the routes
// that were put in. The error says everything that is in the way, as far as it
// can be told from vs alone.
func (s splice) into(vs *unstructured.Unstructured) (*unstructured.Unstructured, []string, error) {
	if err := s.stillRoutes(vs); err != nil {
		return nil, nil, err
	}
	authority, err := s.authority(vs)
	if err != nil {
		return nil, nil, err
	}
	routes, err := s.withoutReplaced(at[[]any](vs.Object, "spec", "http"))
	if err != nil {
		return nil, nil, err
	}
	var idle []error
	merged, names, err := insertRoutes(routes, routeNames(s.run, s.first, routes), func(i int, route any) ([]object, error) {
		clones, err := s.clones(route, authority, vs.GetNamespace())
		if err == nil {
			return clones, nil
		}
		err = fmt.Errorf("spec.http[%d] %w", i, err)
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
	after := vs.DeepCopy()
	if err := unstructured.SetNestedSlice(after.Object, merged, "spec", "http"); err != nil {
		return nil, nil, err
	}
	return after, names, s.sign(after)
}

// stillRoutes reports why vs is not, or no longer, the object to edit.
func (s splice) stillRoutes(vs *unstructured.Unstructured) error {
	routesHost := slices.ContainsFunc(stringsAt(vs.Object, "spec", "hosts"), func(host string) bool {
		return hostMatches(resolveHost(host, vs.GetNamespace(), s.domain), s.on.host(s.domain))
	})
	if !routesHost || !forSidecars(vs.Object) {
		return fmt.Errorf("it does not route %s for the mesh", s.on.host(s.domain))
	}
	return checkOwner(vs.Object)
}

// authority returns the pattern that clones must ask of a request's host, so
// that other hosts of vs do not meet the fault; "" when there are none.
func (s splice) authority(vs *unstructured.Unstructured) (string, error) {
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
func (s splice) clones(route any, authority, namespace string) ([]object, error) {
	user, ok := route.(object)
	if !ok {
		return nil, errors.New("is not an object")
	}
	if user["redirect"] != nil || user["directResponse"] != nil {
		return nil, nil // its requests never reach the service
	}
	if meant, err := s.sendsToSubset(user, namespace); err != nil || !meant {
		return nil, err
	}
	matches, reached, err := s.matches(user, authority)
	if err != nil || !reached {
		return nil, err
	}
	clone := runtime.DeepCopyJSON(user)
	if len(matches) > 0 {
		clone["match"] = matches
	}
	if err := unstructured.SetNestedField(clone, s.run, "headers", "response", "set", HeaderRun); err != nil {
		return nil, err
	}
	return s.effect.inRoute(clone, s.spot)
}

// sendsToSubset says whether a route sends its requests to the subset asked
// for. One that sends only a part of them there cannot be faulted for it alone.
func (s splice) sendsToSubset(route object, namespace string) (bool, error) {
	if s.on.Subset == "" {
		return true, nil
	}
	destinations := objectsAt(route, "route")
	inside, outside := 0, 0
	for _, d := range destinations {
		if len(destinations) > 1 && at[int64](d, "weight") == 0 {
			continue // gets no requests
		}
		host := resolveHost(at[string](d, "destination", "host"), namespace, s.domain)
		if host == s.on.host(s.domain) && at[string](d, "destination", "subset") == s.on.Subset {
			inside++
		} else {
			outside++
		}
	}
	if inside > 0 && outside > 0 {
		return false, fmt.Errorf("splits its requests between subset %s and others, which happens after the fault: "+
			"use the upstream site", s.on.Subset)
	}
	return inside > 0, nil
}

// nothingToClone says why no route of the VirtualService was meant. idle are the
// reasons why the effect would change nothing on some of them.
func (s splice) nothingToClone(idle []error) error {
	switch {
	case len(idle) > 0:
		return errors.Join(idle...)
	case s.on.Subset != "":
		return fmt.Errorf("none of its routes sends requests to subset %s", s.on.Subset)
	case s.on.Port != 0:
		return fmt.Errorf("none of its routes is for port %d", s.on.Port)
	}
	return errors.New("none of its routes forwards requests to a service")
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

// create returns a VirtualService of our own for a service that has none: the
// faulted route, and behind it one that sends everything else on as before.
func (s splice) create() (*unstructured.Unstructured, []string, error) {
	if s.on.Subset != "" {
		return nil, nil, fmt.Errorf("no VirtualService routes to subset %s, so callers do not choose it: use the upstream site",
			s.on.Subset)
	}
	host := s.on.host(s.domain)
	vs := &unstructured.Unstructured{Object: object{
		"apiVersion": virtualServices.GroupVersion().String(),
		"kind":       kindVirtualService,
		"metadata":   object{"name": routePrefix(s.run) + s.on.Name, "namespace": s.on.Namespace},
		"spec": object{
			"hosts": []any{host},
			"http":  []any{object{"route": []any{object{"destination": object{"host": host}}}}},
		},
	}}
	s.mark.Created = true
	created, names, err := s.into(vs)
	if err != nil {
		err = fmt.Errorf("no VirtualService rules it, and a plain route of our own would not do: %w", err)
	}
	return created, names, err
}
