package injector

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// object is a JSON object in the form that unstructured objects hold: values
// are nil, bool, int64, float64, string, []any or object.
type object = map[string]any

// at returns the value at path in o, not a copy. It is the zero T when
// something on the way is absent or of another type: such an object never
// passed the schema that the API server holds it to.
func at[T any](o object, path ...string) T {
	value, found, err := unstructured.NestedFieldNoCopy(o, path...)
	if err != nil || !found {
		var zero T
		return zero
	}
	typed, _ := value.(T)
	return typed
}

// stringsAt returns the strings of the list at path in o.
func stringsAt(o object, path ...string) []string {
	var out []string
	for _, item := range at[[]any](o, path...) {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// objectsAt returns the objects of the list at path in o, not copies.
func objectsAt(o object, path ...string) []object {
	var out []object
	for _, item := range at[[]any](o, path...) {
		if member, ok := item.(object); ok {
			out = append(out, member)
		}
	}
	return out
}
