package injector

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// matches returns the matches of a clone: those of the route, each narrowed to
// the service and the run. None means every request. reached is false when
// none of the route's matches is for the service.
func (s splice) matches(route object, authority string) (narrowed []any, reached bool, err error) {
	originals := at[[]any](route, "match")
	if len(originals) == 0 {
		originals = []any{object{}}
	}
	for _, original := range originals {
		match, ok := original.(object)
		if !ok {
			return nil, false, errors.New("has a match that is not an object")
		}
		match, meant, err := s.narrow(match, authority)
		if err != nil {
			return nil, false, err
		}
		if !meant {
			continue
		}
		variants, err := s.scope(match)
		if err != nil {
			return nil, false, err
		}
		narrowed, reached = append(narrowed, variants...), true
	}
	if len(narrowed) == 1 && len(narrowed[0].(object)) == 0 {
		narrowed = nil // no condition at all
	}
	return narrowed, reached, nil
}

// narrow returns a copy of match for requests to the service and port only, or
// false when it is for others.
func (s splice) narrow(match object, authority string) (object, bool, error) {
	match = runtime.DeepCopyJSON(match)
	if port := at[int64](match, "port"); s.on.Port != 0 && port != int64(s.on.Port) {
		if port != 0 {
			return nil, false, nil
		}
		if s.manyPorts {
			match["port"] = int64(s.on.Port)
		}
	}
	if authority == "" {
		return match, true, nil
	}
	asked := at[object](match, "authority")
	if len(asked) == 0 {
		match["authority"] = object{"regex": authority}
		return match, true, nil
	}
	exact := at[string](asked, "exact")
	if exact == "" {
		return nil, false, errors.New("matches on authority by pattern, in a VirtualService with other hosts: " +
			"whether it is for the service cannot be told")
	}
	meant, err := regexp.MatchString("^(?:"+authority+")$", exact)
	return match, meant, err
}

// scope returns match once for each header that puts a request into the run,
// with that as one more condition; or match as it is when all traffic is meant.
func (s splice) scope(match object) ([]any, error) {
	if s.allTraffic {
		return []any{match}, nil
	}
	var variants []any
	for _, condition := range []struct {
		header string
		value  object
	}{
		{HeaderRun, object{"exact": s.run}},
		{HeaderBaggage, object{"regex": baggagePattern(s.run)}},
	} {
		if asksFor(match, condition.header) {
			continue // one condition for each header is all there can be
		}
		variant := runtime.DeepCopyJSON(match)
		if err := unstructured.SetNestedField(variant, condition.value, "headers", condition.header); err != nil {
			return nil, err
		}
		variants = append(variants, variant)
	}
	if len(variants) == 0 {
		return nil, fmt.Errorf("matches on %s and on %s already: there is no header left to tell the run's requests by",
			HeaderRun, HeaderBaggage)
	}
	return variants, nil
}

// asksFor says whether match has a condition on a header, present or absent.
func asksFor(match object, header string) bool {
	for _, field := range []string{"headers", "withoutHeaders"} {
		for name := range at[object](match, field) {
			if strings.EqualFold(name, header) {
				return true
			}
		}
	}
	return false
}
