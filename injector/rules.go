package injector

import (
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/faultline-mesh/faultline/internal/rights"
)

// Rules returns what planning, making and reverting the faults of plan needs,
// by namespace, and nothing more: Roles with these rules will do, and no
// ClusterRole. Whoever may also list the VirtualServices of every namespace gets
// plans that know of those elsewhere, too. What is edited is named. What is
// created has the run in its name, which is another one for each run, so rights
// on that are on every object of its kind.
func Rules(faults []Fault, limits BlastRadius, plan Plan) map[string][]rbacv1.PolicyRule {
	n := needs{}
	n.look(faults, limits)
	n.write(plan)
	rules := map[string][]rbacv1.PolicyRule{}
	for namespace, all := range n {
		rules[namespace] = rights.Rules(all)
	}
	return rules
}

// needs are rights by namespace.
type needs map[string][]rights.Right

func (n needs) add(namespace string, on schema.GroupVersionResource, name string, verbs ...string) {
	n[namespace] = append(n[namespace], rights.On(on.Group, on.Resource, name, verbs...)...)
}

// look adds what planning reads, and what runs before have left.
func (n needs) look(faults []Fault, limits BlastRadius) {
	for _, f := range faults {
		on := f.On
		if on.Host == "" {
			n.add(on.Namespace, services, on.Name, "get")
		} else {
			n.add(on.Namespace, serviceEntries, "", "list")
		}
		if f.Site == Upstream {
			n.add(on.Namespace, pods, "", "list")
		}
		if f.Site == Upstream && on.Subset != "" {
			n.add(on.Namespace, destinationRules, "", "list")
		}
		if namespace, name, named := strings.Cut(f.From.Gateway, "/"); named {
			n.add(namespace, gateways, name, "get")
		}
	}
	callers := slices.ContainsFunc(faults, func(f Fault) bool { return f.Site == Caller })
	for _, namespace := range namespacesIn(faults, limits) {
		if callers {
			n.add(namespace, virtualServices, "", "list")
			n.add(namespace, httpRoutes, "", "list")
			n.add(namespace, grpcRoutes, "", "list")
		}
		for _, resource := range append(markedResources(), leases) {
			n.add(namespace, resource, "", "list")
		}
	}
	if limits.NamespaceLabel != "" {
		for _, namespace := range (bounds{BlastRadius: limits}).within(faults).Namespaces {
			n.add(namespace, kubeNamespaces, namespace, "get")
		}
	}
}

// write adds what making and reverting take.
func (n needs) write(plan Plan) {
	if len(plan.Edits) == 0 {
		return
	}
	n.add(plan.Lease.Namespace, leases, "", "create", "get", "update", "delete")
	created := map[Ref]bool{}
	for _, edit := range plan.Edits {
		resource, err := edit.Ref.resource()
		if err != nil {
			continue // a plan edits nothing else
		}
		namespace := edit.Ref.Namespace
		n.add(namespace, leases, haltName, "get")
		created[edit.Ref] = created[edit.Ref] || edit.Before == nil
		switch {
		case edit.Before == nil:
			n.add(namespace, resource, "", "get", "watch", "create", "delete")
		case !created[edit.Ref]:
			n.add(namespace, resource, edit.Ref.Name, "get", "watch", "update")
		}
		rises := len(edit.rising.Ramp) > 0 && len(edit.Signs) > 0
		if created[edit.Ref] && (edit.Before != nil || rises) {
			n.add(namespace, resource, "", "update") // by a second edit, or a step of the ramp
		}
	}
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
