package injector

import "slices"

// Percent returns the share of the requests in scope that meet the fault, 0-100.
func (f Fault) Percent() float64 {
	if f.Effect == nil {
		return 0
	}
	return f.Effect.percent()
}

// VisibleIn reports whether proxies of a namespace get the edited object, as
// far as its exportTo decides.
func (e Edit) VisibleIn(namespace string) bool {
	namespaces, visible := exportedTo(e.After)
	return visible && (len(namespaces) == 0 || slices.Contains(namespaces, namespace))
}
