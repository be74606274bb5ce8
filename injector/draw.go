package injector

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Istio cannot choose among routes at random. But Envoy gives each request that
// has none an x-request-id, a random UUID, before it looks for a route (HCM,
// generate_request_id), so routes that match on its digits draw by request.
const (
	headerID   = "x-request-id"
	uuidLength = 36

	drawDigits  = 3                     // hex digits that one draw takes
	drawSteps   = 1 << (4 * drawDigits) // into how many equal parts it divides the requests
	drawWindows = 4                     // draws that the last twelve digits of a UUID, all random, are good for

	minDrawn      = 100.0 / drawSteps // the smallest percentage that can be drawn
	roundingError = 1e-9              // of a sum of percentages
)

// drawn is a share of the requests: those whose digits, read as a number, are
// from one on and below the other.
type drawn struct{ from, to int }

// draw divides the requests by percentages, in their order, each rounded to
// the nearest step as all up to it together are.
func draw(percents ...float64) []drawn {
	var all []drawn
	sum, from := 0.0, 0
	for _, p := range percents {
		sum += p
		to := min(drawSteps, int(math.Round(sum/minDrawn)))
		all = append(all, drawn{from, to})
		from = to
	}
	return all
}

// validDrawn reports why p cannot be the share of a draw, or nil.
func validDrawn(p float64) error {
	if p > 0 && p < minDrawn {
		return fmt.Errorf("percent: %v is below %.4f, the smallest share that can be drawn by request id: one in %d", p, minDrawn, drawSteps)
	}
	return validPercent(p)
}

// pattern matches, as a whole, the request ids of the share. Each window has
// digits of its own, counted from the end, so draws in different windows have
// nothing to do with each other. An id that is no UUID is in no share.
func (d drawn) pattern(window int) string {
	const hex = "[0-9a-fA-F]"
	behind := drawDigits * (window % drawWindows)
	ahead := uuidLength - drawDigits - behind
	text := fmt.Sprintf("[0-9a-fA-F-]{%d}(%s)", ahead, hexRange(d.from, d.to-1, drawDigits))
	if behind > 0 {
		text += fmt.Sprintf("%s{%d}", hex, behind)
	}
	return text
}

// whole returns the pattern as one that matches whole texts only.
func (d drawn) whole(window int) *regexp.Regexp {
	return regexp.MustCompile("^(?:" + d.pattern(window) + ")$")
}

// hexRange returns a pattern for the numbers from low to high, both included,
// written with so many hex digits.
func hexRange(low, high, digits int) string {
	if digits == 0 {
		return ""
	}
	unit := 1 << (4 * (digits - 1)) // what one of the first digit is worth
	first, last := low/unit, high/unit
	if first == last {
		return hexDigits(first, last) + hexRange(low%unit, high%unit, digits-1)
	}
	var parts []string
	if low%unit != 0 {
		parts = append(parts, hexDigits(first, first)+hexRange(low%unit, unit-1, digits-1))
		first++
	}
	tail := ""
	if high%unit != unit-1 {
		tail = hexDigits(last, last) + hexRange(0, high%unit, digits-1)
		last--
	}
	if first <= last {
		parts = append(parts, hexDigits(first, last)+strings.Repeat(hexDigits(0, 15), digits-1))
	}
	if tail != "" {
		parts = append(parts, tail)
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "(" + strings.Join(parts, "|") + ")"
}

// hexDigits returns a pattern for one hex digit from first to last, in any case.
func hexDigits(first, last int) string {
	const lower, upper = "0123456789abcdef", "0123456789ABCDEF"
	if first == last && first < 10 {
		return lower[first : first+1]
	}
	var class string
	between := func(digits string, from, to int) {
		switch from, to := max(first, from), min(last, to); {
		case from == to:
			class += digits[from : from+1]
		case from < to:
			class += digits[from:from+1] + "-" + digits[to:to+1]
		}
	}
	between(lower, 0, 9)
	between(lower, 10, 15)
	between(upper, 10, 15)
	return "[" + class + "]"
}

// onlyDrawn returns a copy of route for the requests of a share of those that
// it is for.
func onlyDrawn(route object, d drawn, window int) (object, error) {
	route = runtime.DeepCopyJSON(route)
	matches := objectsAt(route, "match")
	if len(matches) == 0 {
		matches = []object{{}}
	}
	var narrowed []any
	for _, match := range matches {
		if asksFor(match, headerID) {
			return nil, errors.New("matches on " + headerID + " already, by which requests are drawn")
		}
		if err := unstructured.SetNestedField(match, d.pattern(window), "headers", headerID, "regex"); err != nil {
			return nil, err
		}
		narrowed = append(narrowed, match)
	}
	route["match"] = narrowed
	return route, nil
}
