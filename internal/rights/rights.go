// Package rights puts together what somebody needs in a cluster: single rights
// in, few rules out.
package rights

import (
	"cmp"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Right is one verb on one resource.
type Right struct {
	Group    string // API group; "" is the core group
	Resource string // "pods", "pods/log"
	Verb     string
	Name     string // name of the one object; "" is every object
}

// On returns a right for each verb on one resource: every object of it, or the
// named one.
func On(group, resource, name string, verbs ...string) []Right {
	var rights []Right
	for _, verb := range verbs {
		rights = append(rights, Right{Group: group, Resource: resource, Verb: verb, Name: name})
	}
	return rights
}

// Of returns the single rights that rules give. Wildcards are taken as names.
func Of(rules []rbacv1.PolicyRule) []Right {
	var rights []Right
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, name := range names {
					rights = append(rights, On(group, resource, name, rule.Verbs...)...)
				}
			}
		}
	}
	return rights
}

// Rules returns rules that give the rights and no others, in a fixed order. What
// is given on every object is not given again on a named one, objects of a
// resource with the same verbs share a rule, and so do resources of a group.
func Rules(rights []Right) []rbacv1.PolicyRule {
	verbs := map[Right][]string{} // by right without a verb
	for _, r := range rights {
		every := Right{Group: r.Group, Resource: r.Resource, Verb: r.Verb}
		if r.Name != "" && slices.Contains(rights, every) {
			continue
		}
		key := Right{Group: r.Group, Resource: r.Resource, Name: r.Name}
		verbs[key] = append(verbs[key], r.Verb)
	}
	var rules []rbacv1.PolicyRule
	for key, given := range verbs {
		rule := rbacv1.PolicyRule{APIGroups: []string{key.Group}, Resources: []string{key.Resource}, Verbs: inOrder(given)}
		if key.Name != "" {
			rule.ResourceNames = []string{key.Name}
		}
		rules = append(rules, rule)
	}
	slices.SortFunc(rules, compare)
	rules = joined(rules, func(rule *rbacv1.PolicyRule) *[]string { return &rule.ResourceNames })
	return joined(rules, func(rule *rbacv1.PolicyRule) *[]string { return &rule.Resources })
}

// joined merges neighbours that differ in one list only. A rule without names
// is for every object, so it is not one to join by names.
func joined(rules []rbacv1.PolicyRule, list func(*rbacv1.PolicyRule) *[]string) []rbacv1.PolicyRule {
	var out []rbacv1.PolicyRule
	for _, rule := range rules {
		if len(out) > 0 {
			last, next := out[len(out)-1], rule
			*list(&last), *list(&next) = nil, nil
			if compare(last, next) == 0 && len(*list(&out[len(out)-1])) > 0 && len(*list(&rule)) > 0 {
				target := list(&out[len(out)-1])
				*target = append(slices.Clone(*target), *list(&rule)...)
				continue
			}
		}
		out = append(out, rule)
	}
	return out
}

func compare(a, b rbacv1.PolicyRule) int {
	return cmp.Or(
		slices.Compare(a.APIGroups, b.APIGroups),
		slices.Compare(a.Verbs, b.Verbs),
		slices.Compare(a.Resources, b.Resources),
		slices.Compare(a.ResourceNames, b.ResourceNames),
	)
}

// inOrder sorts verbs as people list them, each once.
func inOrder(verbs []string) []string {
	order := []string{"get", "list", "watch", "create", "update", "patch", "delete"}
	place := func(verb string) int {
		if i := slices.Index(order, verb); i >= 0 {
			return i
		}
		return len(order)
	}
	verbs = slices.Clone(verbs)
	slices.SortFunc(verbs, func(a, b string) int { return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b)) })
	return slices.Compact(verbs)
}
