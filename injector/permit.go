package injector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// optIns returns a reason for each namespace in which the plan would write and
// that lacks the label which limits ask for.
func (p *planner) optIns() []Reason {
	var reasons []Reason
	seen := map[string]bool{}
	for _, edit := range p.plan.Edits {
		namespace := edit.Ref.Namespace
		if seen[namespace] {
			continue
		}
		seen[namespace] = true
		var labels map[string]string
		if found := p.namespaces[namespace]; found != nil {
			labels = found.GetLabels()
		}
		if text := p.bounds.unlabelled(namespace, labels); text != "" {
			reasons = append(reasons, Reason{fmt.Sprintf("faults[%d].on", edit.Fault), text})
		}
	}
	return reasons
}

// permitted reports why an edit must not be written, or nil. It judges what is
// in the object that would be written, whatever was planned; written are the
// edits that the injection made before. It reads the namespace when that has to
// opt in, and nothing else.
func (i *Injector) permitted(ctx context.Context, limits BlastRadius, written []Edit, edit Edit) error {
	b := bounds{limits, i.root}
	if err := b.permit(written, edit); err != nil {
		return err
	}
	if limits.NamespaceLabel == "" {
		return nil
	}
	namespace, err := i.lookFor(ctx, "Namespace", kubeNamespaces, "", edit.After.GetNamespace())
	switch {
	case err != nil:
		return fmt.Errorf("blastRadius.namespaceLabel: %w", err)
	case namespace == nil:
		return fmt.Errorf("there is no namespace %s", edit.After.GetNamespace())
	}
	if text := b.unlabelled(namespace.GetName(), namespace.GetLabels()); text != "" {
		return errors.New(text)
	}
	return nil
}

// permit is permitted, as far as it takes no look at the cluster.
func (b bounds) permit(written []Edit, edit Edit) error {
	after := edit.After
	var errs []error
	if refOf(after) != edit.Ref {
		errs = append(errs, fmt.Errorf("the plan says %s, and would write %s", edit.Ref, refOf(after)))
	}
	if text := b.forbids(after.GetNamespace()); text != "" {
		errs = append(errs, errors.New(text))
	}
	if s := edit.splice; s != nil && s.gateway == nil && slices.Contains(stringsAt(after.Object, "spec", "hosts"), "*") {
		errs = append(errs, errors.New(`its host "*" stands for everything`))
	}
	if !b.AllTraffic && !scoped(after, scopesOf(edit, written)) {
		errs = append(errs, errors.New("it would hit requests that are not the run's own, which needs blastRadius.allTraffic"))
	}
	return errors.Join(append(errs, b.permitPercent(edit), b.permitPods(written, after))...)
}

// permitPercent holds what an edit hits against the highest percentage allowed.
// An effect that divides requests among routes may hit all of one.
func (b bounds) permitPercent(edit Edit) error {
	limit, found := b.MaxPercent, highestPercent(edit.After, runOf(edit))
	switch {
	case limit == 0:
		return nil
	case edit.percent > limit:
		return fmt.Errorf("%v percent are above blastRadius.maxPercent %v", edit.percent, limit)
	case found > limit && found > edit.highest:
		return fmt.Errorf("%v percent, where %v were planned, are above blastRadius.maxPercent %v", found, edit.highest, limit)
	}
	return nil
}

// permitPods counts the pods of all that an injection wrote and would write.
func (b bounds) permitPods(written []Edit, after *unstructured.Unstructured) error {
	hit := podsOf(after)
	for _, other := range written {
		hit = append(hit, podsOf(other.After)...)
	}
	slices.Sort(hit)
	if n := len(slices.Compact(hit)); b.MaxPods > 0 && n > b.MaxPods {
		return fmt.Errorf("%d pods with a fault are above blastRadius.maxPods %d", n, b.MaxPods)
	}
	return nil
}

// runOf returns the run that an edit belongs to.
func runOf(edit Edit) string {
	if edit.splice != nil {
		return edit.splice.run
	}
	return edit.Ref.creator()
}

// filtersOf returns the configurations of the fault filters that an EnvoyFilter
// brings, each with the pod that gets it.
func filtersOf(filter *unstructured.Unstructured) (configs []object, pods []string) {
	for _, patch := range objectsAt(filter.Object, "spec", "configPatches") {
		config := at[object](patch, "patch", "value", "typed_config")
		if config["@type"] != httpFaultType {
			continue
		}
		configs = append(configs, config)
		pods = append(pods, at[string](patch, "match", "proxy", "metadata", "NAME"))
	}
	return configs, pods
}

// podsOf returns the pods in which an object makes a fault, by namespace/name.
func podsOf(obj *unstructured.Unstructured) []string {
	_, pods := filtersOf(obj)
	for i, pod := range pods {
		pods[i] = obj.GetNamespace() + "/" + pod
	}
	return pods
}

// highestPercent returns the highest percentage of a fault in the routes of run,
// or in the filters, that obj has.
func highestPercent(obj *unstructured.Unstructured, run string) float64 {
	highest := 0.0
	for _, route := range ownRoutes(at[[]any](obj.Object, "spec", "http"), run) {
		for _, kind := range []string{"delay", "abort"} {
			highest = max(highest, number(at[any](route.(object), "fault", kind, "percentage", "value")))
		}
	}
	configs, _ := filtersOf(obj)
	for _, config := range configs {
		for _, kind := range []string{"delay", "abort"} {
			highest = max(highest, number(at[any](config, kind, "percentage", "numerator"))/perPercent)
		}
	}
	return highest
}

// number reads a number of JSON, which is an integer or not.
func number(value any) float64 {
	switch n := value.(type) {
	case int64:
		return float64(n)
	case float64:
		return n
	}
	return 0
}

// scopeOf is what tells the requests that a fault may hit.
type scopeOf struct {
	run     string
	headers map[string]string // in place of the run's own
}

// scopesOf returns the scopes that faults on the object of an edit may have: its
// own, and those of earlier edits of the same object.
func scopesOf(edit Edit, written []Edit) []scopeOf {
	scopes := []scopeOf{{runOf(edit), edit.headers}}
	for _, other := range written {
		if other.Ref == edit.Ref {
			scopes = append(scopes, scopeOf{runOf(other), other.headers})
		}
	}
	return scopes
}

// scoped says whether every fault of the run in obj asks for one of the scopes,
// in each of its matches or filters.
func scoped(obj *unstructured.Unstructured, scopes []scopeOf) bool {
	asked := func(asks func(name, kind, value string) bool) bool {
		return slices.ContainsFunc(scopes, func(s scopeOf) bool { return s.isAsked(asks) })
	}
	for _, route := range ownRoutes(at[[]any](obj.Object, "spec", "http"), scopes[0].run) {
		matches := objectsAt(route.(object), "match")
		wide := func(match object) bool {
			return !asked(func(name, kind, value string) bool { return at[string](match, "headers", name, kind) == value })
		}
		if len(matches) == 0 || slices.ContainsFunc(matches, wide) {
			return false
		}
	}
	configs, _ := filtersOf(obj)
	return !slices.ContainsFunc(configs, func(config object) bool {
		conditions := objectsAt(config, "headers")
		return !asked(func(name, kind, value string) bool {
			return slices.ContainsFunc(conditions, func(h object) bool {
				path := []string{"string_match", kind}
				if kind == "regex" {
					path = []string{"string_match", "safe_regex", "regex"}
				}
				return h["name"] == name && h["invert_match"] != true && at[string](h, path...) == value
			})
		})
	})
}

// isAsked says whether conditions, of which asks tells whether there is one,
// leave only requests in scope.
func (s scopeOf) isAsked(asks func(name, kind, value string) bool) bool {
	if len(s.headers) == 0 {
		return asks(HeaderRun, "exact", s.run) || asks(HeaderBaggage, "regex", baggagePattern(s.run))
	}
	for name, value := range s.headers {
		if !asks(strings.ToLower(name), "exact", value) {
			return false
		}
	}
	return true
}
