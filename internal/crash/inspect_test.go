package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// remains is what is wrong with a scene that should be as its users left it.
type remains struct {
	marks   []string // labels, annotations, routes, objects, Leases of ours
	unequal []string // objects that are not what users made of them
}

// inspect looks for everything of ours, with no help of the injector.
func (s *scene) inspect(ctx context.Context) (remains, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var r remains
	for _, resource := range []schema.GroupVersionResource{virtualServices, envoyFilters, serviceEntries, leases} {
		found, err := s.client.Resource(resource).Namespace(s.namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return r, err
		}
		seen := map[string]bool{}
		for n := range found.Items {
			obj := &found.Items[n]
			seen[obj.GetName()] = true
			if strings.HasPrefix(obj.GetName(), "faultline") && s.kept[obj.GetName()] == "" {
				r.marks = append(r.marks, fmt.Sprintf("%s %s", obj.GetKind(), obj.GetName()))
			}
			r.marks = append(r.marks, marksOn(obj)...)
			if want := s.want[obj.GetName()]; want != nil && resource == virtualServices && content(obj) != content(want) {
				r.unequal = append(r.unequal, fmt.Sprintf("%s is\n%s\nwant\n%s", obj.GetName(), content(obj), content(want)))
			}
		}
		for name := range s.want {
			if resource == virtualServices && !seen[name] {
				r.unequal = append(r.unequal, name+" is gone")
			}
		}
		for name, of := range s.kept {
			if of == resource.Resource && !seen[name] {
				r.unequal = append(r.unequal, name+", which a user created, is gone")
			}
		}
	}
	return r, nil
}

// marksOn returns whatever looks like ours on an object.
func marksOn(obj *unstructured.Unstructured) []string {
	var marks []string
	note := func(format string, args ...any) {
		marks = append(marks, fmt.Sprintf("%s %s: ", obj.GetKind(), obj.GetName())+fmt.Sprintf(format, args...))
	}
	for key := range obj.GetAnnotations() {
		if strings.HasPrefix(key, "faultline.dev/") {
			note("annotation %s", key)
		}
	}
	for key := range obj.GetLabels() {
		if strings.HasPrefix(key, "faultline.dev/") {
			note("label %s", key)
		}
	}
	for _, route := range routesOf(obj) {
		if isOurs(route) {
			note("route %s", route.(map[string]any)["name"])
		}
	}
	return marks
}

func routesOf(vs *unstructured.Unstructured) []any {
	routes, _, _ := unstructured.NestedFieldNoCopy(vs.Object, "spec", "http")
	list, _ := routes.([]any)
	return list
}

func setRoutes(vs *unstructured.Unstructured, routes []any) {
	vs.Object["spec"].(map[string]any)["http"] = routes
}

func isOurs(route any) bool {
	name, _ := route.(map[string]any)["name"].(string)
	return strings.HasPrefix(name, "faultline-")
}

// content is all of an object that a revert must restore, byte for byte.
func content(obj *unstructured.Unstructured) string {
	obj = obj.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "generation"} {
		unstructured.RemoveNestedField(obj.Object, "metadata", field)
	}
	for _, field := range []string{"labels", "annotations"} { // the API server keeps no empty ones
		if entries, _, _ := unstructured.NestedMap(obj.Object, "metadata", field); len(entries) == 0 {
			unstructured.RemoveNestedField(obj.Object, "metadata", field)
		}
	}
	text, err := json.Marshal(obj.Object)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
