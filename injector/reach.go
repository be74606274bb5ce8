package injector

import "slices"

// Percent returns the share of the requests in scope that meet the fault in the
// end, 0-100.
func (f Fault) Percent() float64 {
	if f.Effect == nil {
		return 0
	}
	sum := 0.0
	for _, sign := range f.Effect.signs(spot{site: Caller}) {
		sum += sign.Percent
	}
	return min(sum, 100)
}

// VisibleIn reports whether proxies of a namespace get the edited object, as
// far as its exportTo decides.
func (e Edit) VisibleIn(namespace string) bool {
	namespaces, visible := exportedTo(e.After)
	return visible && (len(namespaces) == 0 || slices.Contains(namespaces, namespace))
}

// Resource is the part of a proxy's config_dump that shows the edit, as the
// parameter resource of that page names it.
func (e Edit) Resource() string {
	switch e.Ref.Kind {
	case kindEnvoyFilter:
		return "dynamic_listeners"
	case kindServiceEntry:
		return "dynamic_active_clusters"
	}
	return "dynamic_route_configs"
}
