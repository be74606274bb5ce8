package injector

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// matches returns the matches of a clone: those of the route, each narrowed to
// the service, the callers and the requests that are meant. None means every
// request. reached is false when none of the route's matches is meant.
func (s splice) matches(route object, vs *unstructured.Unstructured) (narrowed []any, reached bool, err error) {
	originals := at[[]any](route, "match")
	if len(originals) == 0 {
		originals = []any{object{}}
	}
	for _, original := range originals {
		match, ok := original.(object)
		if !ok {
			return nil, false, errors.New("has a match that is not an object")
		}
		variants, err := s.variants(match, vs)
		if err != nil {
			return nil, false, err
		}
		narrowed, reached = append(narrowed, variants...), reached || len(variants) > 0
	}
	if len(narrowed) == 1 && len(narrowed[0].(object)) == 0 {
		narrowed = nil // no condition at all
	}
	return narrowed, reached, nil
}

// variants returns what a match of the user's becomes in the clone: one match
// for each way in which a request can be meant, none when none is. Each asks
// all that the user's asks, so that it takes no request of another route.
func (s splice) variants(match object, vs *unstructured.Unstructured) ([]any, error) {
	crowded, err := s.crowded(match)
	if err != nil || crowded {
		return nil, err
	}
	match = maps.Clone(match)
	for _, narrow := range []func(object, *unstructured.Unstructured) (meant bool, err error){
		s.narrowPort, s.narrowHost, s.narrowCallers,
	} {
		if meant, err := narrow(match, vs); err != nil || !meant {
			return nil, err
		}
	}
	return s.scope(match)
}

// ask adds a condition on name to those of a field of match. What match holds may
// belong to the user's own, so the field is copied first.
func ask(match object, field, name string, condition any) error {
	conditions, ok := match[field].(object)
	if match[field] != nil && !ok {
		return fmt.Errorf("has a match whose %s is not an object", field)
	}
	conditions = maps.Clone(conditions)
	if conditions == nil {
		conditions = object{}
	}
	conditions[name] = condition
	match[field] = conditions
	return nil
}

// crowded says whether a match that takes every request is never used, because
// another VirtualService at the gateway took them first. The error says that
// its clone, which has a condition, would come before routes of another one.
func (s splice) crowded(match object) (bool, error) {
	gateways := stringsAt(match, "gateways")
	meshOnly := len(gateways) == 1 && gateways[0] == "mesh"
	stays := s.allTraffic && s.authority == "" // it takes every request, too
	if !matchesAll(match) || len(s.from.Labels) > 0 || meshOnly {
		return false, nil
	}
	rival := s.rivals.later
	if s.rivals.earlier != (Ref{}) {
		if s.gateway != nil {
			return true, nil
		}
		rival = s.rivals.earlier
	}
	if rival == (Ref{}) || stays {
		return false, nil
	}
	return false, fmt.Errorf("takes every request, after the routes that %s has for the same host at the same gateway: "+
		"its clone would come before them", rival)
}

// narrowsPort says whether clones ask for the port themselves.
func (s splice) narrowsPort() bool { return s.on.Port != 0 && s.manyPorts && s.gateway == nil }

// narrowPort limits match to the service port that is meant.
func (s splice) narrowPort(match object, _ *unstructured.Unstructured) (meant bool, err error) {
	port := at[int64](match, "port")
	if s.on.Port == 0 || s.gateway != nil || port == int64(s.on.Port) {
		return true, nil
	}
	if port == 0 && s.narrowsPort() {
		match["port"] = int64(s.on.Port)
	}
	return port == 0, nil
}

// narrowHost limits match to the host of the service, where there are others.
func (s splice) narrowHost(match object, _ *unstructured.Unstructured) (meant bool, err error) {
	if s.authority == "" {
		return true, nil
	}
	asked := at[object](match, "authority")
	if len(asked) == 0 {
		match["authority"] = object{"regex": s.authority}
		return true, nil
	}
	exact := at[string](asked, "exact")
	if exact == "" {
		return false, errors.New("matches on authority by pattern, in a VirtualService with other hosts: " +
			"whether it is for the service cannot be told")
	}
	return regexp.MatchString("^(?:"+s.authority+")$", exact)
}

// narrowCallers limits match to the callers. Istio ignores sourceLabels and
// sourceNamespace in a match with gateways.
func (s splice) narrowCallers(match object, vs *unstructured.Unstructured) (meant bool, err error) {
	if s.gateway != nil {
		return s.narrowGateway(match, vs)
	}
	if !s.from.limited() {
		return true, nil
	}
	if gateways := stringsAt(match, "gateways"); slices.Contains(gateways, "mesh") {
		return false, errors.New("matches on gateways, beside which Istio ignores who calls: " +
			"leave gateways out of the match, or the callers out of the fault")
	} else if len(gateways) > 0 {
		return false, nil
	}
	if s.from.Namespace != "" {
		if asked := at[string](match, "sourceNamespace"); asked != "" && asked != s.from.Namespace {
			return false, nil
		}
		match["sourceNamespace"] = s.from.Namespace
	}
	for name, value := range s.from.Labels {
		if asked, found := at[object](match, "sourceLabels")[name]; found && asked != value {
			return false, nil
		}
		if err := ask(match, "sourceLabels", name, value); err != nil {
			return false, err
		}
	}
	return true, nil
}

// narrowGateway limits match to the gateway that calls, where vs is bound to
// others as well.
func (s splice) narrowGateway(match object, vs *unstructured.Unstructured) (meant bool, err error) {
	bound := gatewaysOf(vs.Object, vs.GetNamespace(), "spec", "gateways")
	others := slices.ContainsFunc(bound, func(g string) bool { return g != s.from.Gateway })
	asked := gatewaysOf(match, vs.GetNamespace(), "gateways")
	switch {
	case len(asked) > 0 && !slices.Contains(asked, s.from.Gateway):
		return false, nil
	case len(asked) == 0 && !others:
		return true, nil
	case len(asked) == 0 && (match["sourceLabels"] != nil || match["sourceNamespace"] != nil):
		return false, fmt.Errorf("matches on who calls, which Istio ignores in a match that is limited to a gateway: "+
			"bind a VirtualService of its own to Gateway %s", s.from.Gateway)
	}
	match["gateways"] = []any{s.from.Gateway}
	return true, nil
}
