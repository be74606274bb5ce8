package injector

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const httpFaultType = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"

// filterName is the name of the n-th EnvoyFilter of run, from 1, and of the
// HTTP filter that it brings into proxies.
func filterName(run string, n int) string {
	name := "faultline." + run
	if n > 1 {
		name += fmt.Sprintf("-%d", n)
	}
	return name
}

// newEnvoyFilter returns the EnvoyFilter that puts HTTP filters into the proxies
// of the targets, without a mark yet. Pods are picked by name in each patch, so
// that no pod needs a label of its own.
func newEnvoyFilter(name string, filters []object, namespace string, targets []filterTarget) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: object{
		"apiVersion": envoyFilters.GroupVersion().String(),
		"kind":       kindEnvoyFilter,
		"metadata":   object{"name": name, "namespace": namespace},
		"spec":       filterSpec(filters, targets),
	}}
}

// filterSpec returns the spec that puts HTTP filters into the proxies of the
// targets.
func filterSpec(filters []object, targets []filterTarget) object {
	var patches []any
	for _, target := range targets {
		for _, port := range target.ports {
			for _, filter := range filters {
				patches = append(patches, object{
					"applyTo": "HTTP_FILTER",
					"match": object{
						"context": "SIDECAR_INBOUND",
						"proxy":   object{"metadata": object{"NAME": target.pod}},
						"listener": object{
							"portNumber": port,
							"filterChain": object{"filter": object{
								"name":      "envoy.filters.network.http_connection_manager",
								"subFilter": object{"name": "envoy.filters.http.router"},
							}},
						},
					},
					"patch": object{"operation": "INSERT_BEFORE", "value": filter},
				})
			}
		}
	}
	return object{"configPatches": patches}
}

// httpFilters returns the HTTP filters that make f, the first of them called
// name. A filter fires only when all its header conditions hold, so there is
// one for each way in which a request comes into scope.
func httpFilters(name string, f Fault, s spot) ([]object, error) {
	faults, err := f.Effect.inPod(s)
	if err != nil {
		return nil, err
	}
	var filters []object
	for n, fault := range faults {
		for _, scope := range filterScopes(f, s.run) {
			config := maps.Clone(fault)
			config["@type"] = httpFaultType
			if headers := slices.Concat(scope.conditions, at[[]any](fault, "headers")); len(headers) > 0 {
				config["headers"] = headers
			}
			part := ""
			if n > 0 {
				part = fmt.Sprintf(".%d", n)
			}
			filters = append(filters, object{"name": name + part + scope.suffix, "typed_config": config})
		}
	}
	return filters, nil
}

// filterScope is one way in which a request comes into scope: all conditions hold.
type filterScope struct {
	suffix     string // of the filter's name
	conditions []any
}

// filterScopes returns the ways in which requests come into the scope of f. Of
// the two headers that put a request into the run, the second leaves the
// requests of the first alone: never both draw for one request. Of the fault's
// own headers, all must be there.
func filterScopes(f Fault, run string) []filterScope {
	switch {
	case f.AllTraffic:
		return []filterScope{{}}
	case len(f.Headers) > 0:
		var conditions []any
		for _, name := range slices.Sorted(maps.Keys(f.Headers)) {
			conditions = append(conditions, headerIs(strings.ToLower(name), f.Headers[name]))
		}
		return []filterScope{{"", conditions}}
	}
	return []filterScope{
		{"", []any{headerIs(HeaderRun, run)}},
		{".baggage", []any{
			headerMatches(HeaderBaggage, baggagePattern(run)),
			object{"name": HeaderRun, "present_match": true, "invert_match": true},
		}},
	}
}

// headerIs returns Envoy's condition that a header has a value.
func headerIs(name, value string) object {
	return object{"name": name, "string_match": object{"exact": value}}
}

// headerMatches returns Envoy's condition that a header matches as a whole.
func headerMatches(name, pattern string) object {
	return object{"name": name, "string_match": object{"safe_regex": object{"regex": pattern}}}
}
