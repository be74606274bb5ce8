package injector

import (
	"maps"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/faultline-mesh/faultline/internal/rights"
)

// Rules returns what planning, making and reverting the faults of plan needs,
// by namespace, and nothing more: Roles with these rules will do, and no
// ClusterRole. Whoever may also list the VirtualServices of every namespace gets
// plans that know of those elsewhere, too. What is edited is named. What is
// created has the run in its name, which is another one for each run, so rights
// on that are on every object of its kind.
func Rules(faults []Fault, limits BlastRadius, plan Plan) map[string][]rbacv1.PolicyRule {
	needed := map[string][]rights.Right{}
	need := func(namespace, group, resource, name string, verbs ...string) {
		needed[namespace] = append(needed[namespace], rights.On(group, resource, name, verbs...)...)
	}
	for _, f := range faults {
		on := f.On
		need(on.Namespace, "", services.Resource, on.Name, "get")
		if f.Site == Upstream {
			need(on.Namespace, "", pods.Resource, "", "list")
			if on.Subset != "" {
				need(on.Namespace, istioGroup, destinationRules.Resource, "", "list")
			}
		}
	}
	for _, namespace := range namespacesIn(faults, limits) { // for owners, and for what runs before have left
		for _, resource := range append(markedResources(), leases) {
			need(namespace, resource.Group, resource.Resource, "", "list")
		}
	}
	if len(plan.Edits) > 0 {
		need(plan.Lease.Namespace, leases.Group, leases.Resource, "", "create", "get", "update", "delete")
	}
	created := map[Ref]bool{}
	for _, edit := range plan.Edits {
		resource, err := edit.Ref.resource()
		if err != nil {
			continue // a plan edits nothing else
		}
		created[edit.Ref] = created[edit.Ref] || edit.Before == nil
		need(edit.Ref.Namespace, leases.Group, leases.Resource, haltName, "get")
		need := func(name string, verbs ...string) {
			need(edit.Ref.Namespace, resource.Group, resource.Resource, name, verbs...)
		}
		switch {
		case edit.Before == nil:
			need("", "create", "get", "watch", "delete")
		case created[edit.Ref]:
			need("", "update")
		default:
			need(edit.Ref.Name, "get", "watch", "update")
		}
	}
	rules := map[string][]rbacv1.PolicyRule{}
	for namespace, all := range needed {
		rules[namespace] = rights.Rules(all)
	}
	return rules
}

// namespacesIn returns the namespaces of the faults and of the limits, sorted.
func namespacesIn(faults []Fault, limits BlastRadius) []string {
	names := map[string]bool{}
	for _, f := range faults {
		names[f.On.Namespace] = true
	}
	for _, namespace := range limits.Namespaces {
		names[namespace] = true
	}
	return slices.Sorted(maps.Keys(names))
}
