package injector

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// routePattern recognizes the names that routes of ours have, of any run.
var routePattern = regexp.MustCompile(`^faultline-([0-9a-f]{4,32})-[0-9]+$`)

// routePrefix is how the names of all routes of run begin.
func routePrefix(run string) string { return "faultline-" + run + "-" }

// routeRun returns the run that a route belongs to, or "" for a user's route.
func routeRun(route any) string {
	r, _ := route.(object)
	name, _ := r["name"].(string)
	if !strings.HasPrefix(name, "faultline-") {
		return "" // nearly always, and soon told
	}
	if found := routePattern.FindStringSubmatch(name); found != nil {
		return found[1]
	}
	return ""
}

// belongs says whether a route is one of run. To the run "" belongs none.
func belongs(route any, run string) bool { return run != "" && routeRun(route) == run }

// insertRoutes returns routes with, right before each of a user's, the clones
// that makeClones gives for it, if any. name is called for each clone. Every
// user's route stays as and where it is. The names given are returned too, and
// the errors of makeClones joined.
func insertRoutes(
	routes []any, name func() string, makeClones func(i int, route any) ([]object, error),
) (merged []any, names []string, err error) {
	var errs []error
	for i, route := range routes {
		if routeRun(route) != "" {
			merged = append(merged, route)
			continue
		}
		clones, err := makeClones(i, route)
		errs = append(errs, err)
		for _, clone := range clones {
			clone["name"] = name()
			names = append(names, at[string](clone, "name"))
			merged = append(merged, clone)
		}
		merged = append(merged, route)
	}
	return merged, names, errors.Join(errs...)
}

// routeNames returns a function that gives names for routes of run, numbered
// from first on, around those that routes already have.
func routeNames(run string, first int, routes []any) func() string {
	inUse := runRoutes(routes, run)
	next := first
	return func() string {
		for {
			name := routePrefix(run) + strconv.Itoa(next)
			next++
			if !slices.Contains(inUse, name) {
				return name
			}
		}
	}
}

// removeRoutes returns routes without those of run.
func removeRoutes(routes []any, run string) []any {
	return slices.DeleteFunc(slices.Clone(routes), func(route any) bool { return belongs(route, run) })
}

// runRoutes returns the names of the routes of run, in their order.
func runRoutes(routes []any, run string) []string {
	var names []string
	for _, route := range routes {
		if belongs(route, run) {
			names = append(names, at[string](route.(object), "name"))
		}
	}
	return names
}

// ownRoutes returns the routes of run, in their order.
func ownRoutes(routes []any, run string) []any {
	return slices.DeleteFunc(slices.Clone(routes), func(route any) bool { return !belongs(route, run) })
}
