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

// newEnvoyFilter returns the EnvoyFilter that makes fault f in the proxies of
// the targets, without a mark yet. Pods are picked by name in each patch, so
// that no pod needs a label of its own.
func newEnvoyFilter(name, run string, f Fault, targets []filterTarget) *unstructured.Unstructured {
	var patches []any
	for _, target := range targets {
		for _, port := range target.ports {
			for _, filter := range httpFilters(name, run, f) {
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
	return &unstructured.Unstructured{Object: object{
		"apiVersion": envoyFilters.GroupVersion().String(),
		"kind":       kindEnvoyFilter,
		"metadata":   object{"name": name, "namespace": f.On.Namespace},
		"spec":       object{"configPatches": patches},
	}}
}

// httpFilters returns the HTTP filters that make f. A filter fires only when
// all its header conditions hold, so there is one for each header that puts a
// request into the run, and the second leaves the requests of the first alone:
// never both draw for one request. Of the fault's own headers, all must be there.
func httpFilters(name, run string, f Fault) []object {
	filter := func(name string, headers ...any) object {
		config := maps.Clone(f.Effect.envoyFault())
		config["@type"] = httpFaultType
		if len(headers) > 0 {
			config["headers"] = headers
		}
		return object{"name": name, "typed_config": config}
	}
	switch {
	case f.AllTraffic:
		return []object{filter(name)}
	case len(f.Headers) > 0:
		var headers []any
		for _, header := range slices.Sorted(maps.Keys(f.Headers)) {
			headers = append(headers, object{"name": strings.ToLower(header), "string_match": object{"exact": f.Headers[header]}})
		}
		return []object{filter(name, headers...)}
	}
	return []object{
		filter(name, object{"name": HeaderRun, "string_match": object{"exact": run}}),
		filter(name+".baggage",
			object{"name": HeaderBaggage, "string_match": object{"safe_regex": object{"regex": baggagePattern(run)}}},
			object{"name": HeaderRun, "present_match": true, "invert_match": true}),
	}
}
