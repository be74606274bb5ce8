package injector

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// scope returns match once for each way in which a request can be meant, with
// that as one more condition: by the run's two headers, or by the fault's own.
// When all traffic is meant it is match as it is.
func (s splice) scope(match object) ([]any, error) {
	switch {
	case s.allTraffic:
		return []any{match}, nil
	case len(s.headers) > 0:
		return s.scopeByHeaders(match)
	}
	var variants []any
	conditions := []struct {
		header string
		value  object
	}{
		{HeaderRun, object{"exact": s.run}},
		{HeaderBaggage, object{"regex": baggagePattern(s.run)}},
	}
	for _, condition := range conditions {
		if asksFor(match, condition.header) {
			continue // one condition for each header is all there can be
		}
		variant := maps.Clone(match)
		if err := ask(variant, "headers", condition.header, condition.value); err != nil {
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

// scopeByHeaders returns match with the fault's headers as conditions, in place
// of those that it has on them and that their values meet; or nothing when
// requests with these headers do not match.
func (s splice) scopeByHeaders(match object) ([]any, error) {
	for _, name := range slices.Sorted(maps.Keys(s.headers)) {
		value := s.headers[name]
		for _, field := range []string{"headers", "withoutHeaders"} {
			for asked, condition := range at[object](match, field) {
				if !strings.EqualFold(asked, name) {
					continue
				}
				meets, err := admits(condition, value)
				if err != nil {
					return nil, fmt.Errorf("matches on %s %s: %w", field, asked, err)
				}
				if meets != (field == "headers") {
					return nil, nil
				}
				if field == "headers" {
					match[field] = maps.Clone(at[object](match, field))
					delete(at[object](match, field), asked)
				}
			}
		}
		if err := ask(match, "headers", strings.ToLower(name), object{"exact": value}); err != nil {
			return nil, err
		}
	}
	return []any{match}, nil
}

// admits says whether a condition of Istio's, on a header, is met by a value.
// An empty one, or the pattern "*", asks only that the header is there.
func admits(condition any, value string) (bool, error) {
	c, _ := condition.(object)
	for kind, asked := range c {
		text, _ := asked.(string)
		switch kind {
		case "exact":
			return text == value, nil
		case "prefix":
			return strings.HasPrefix(value, text), nil
		case "regex":
			if text == "*" {
				return true, nil
			}
			return regexp.MatchString("^(?:"+text+")$", value)
		default:
			return false, fmt.Errorf("%s is no condition that is known", kind)
		}
	}
	return true, nil
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
