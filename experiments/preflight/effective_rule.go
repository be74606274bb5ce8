package preflight

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/faultline-mesh/faultline/injector"
)

// destinationRule is DestinationRules of one host and one namespace, as Istio merges them:
// the oldest with a policy for the whole service has it, the subsets of all
// count. Those with different exportTo, or different workload selectors, are
// not merged.
//
// Sources: pilot/pkg/model/destination_rule.go (mergeDestinationRule) and
// push_context.go (setDestinationRules, destinationRule) of Istio.
type destinationRule struct {
	spec      *networking.DestinationRule
	namespace string
	exportTo  []string // sorted
	objects   []string // namespace/name of those that were merged
}

// rulesByHost are merged rules by the host that they are written for.
type rulesByHost map[string][]*destinationRule

// indexRules merges the DestinationRules.
func (c *check) indexRules() {
	c.local, c.exported, c.private = map[string]rulesByHost{}, map[string]rulesByHost{}, rulesByHost{}
	all := slices.Clone(c.DestinationRules)
	slices.SortFunc(all, ahead)
	for _, dr := range all {
		exportTo := slices.Sorted(slices.Values(dr.Spec.GetExportTo()))
		if dr.Spec.GetWorkloadSelector() != nil {
			exportTo = []string{"."}
		}
		if len(exportTo) == 0 || slices.ContainsFunc(exportTo, func(e string) bool { return e == "*" || e == "." || e == dr.Namespace }) {
			c.merge(in(c.local, dr.Namespace), dr, exportTo)
		}
		own := c.ownOnly(exportTo, dr.Namespace)
		if !own {
			c.merge(in(c.exported, dr.Namespace), dr, exportTo)
		} else if dr.Namespace == c.Root {
			c.merge(c.private, dr, exportTo)
		}
	}
}

// ahead orders DestinationRules as Istio merges them: those that select callers
// first, then the older.
func ahead(a, b *networkingv1.DestinationRule) int {
	x, y := a.Spec.GetWorkloadSelector() != nil, b.Spec.GetWorkloadSelector() != nil
	switch {
	case x && !y:
		return -1
	case y && !x:
		return 1
	}
	return older(a, b)
}

// ownOnly says whether a DestinationRule is for callers of its own namespace only.
func (c *check) ownOnly(exportTo []string, namespace string) bool {
	if len(exportTo) == 0 {
		return slices.Contains(c.Mesh.GetDefaultDestinationRuleExportTo(), ".")
	}
	return len(exportTo) == 1 && (exportTo[0] == "." || exportTo[0] == namespace)
}

func in(byNamespace map[string]rulesByHost, namespace string) rulesByHost {
	if byNamespace[namespace] == nil {
		byNamespace[namespace] = rulesByHost{}
	}
	return byNamespace[namespace]
}

// merge puts a DestinationRule to those of its host.
func (c *check) merge(rules rulesByHost, dr *networkingv1.DestinationRule, exportTo []string) {
	host := c.resolve(dr.Spec.GetHost(), dr.Namespace)
	apart := true
	for _, had := range rules[host] {
		if !slices.Equal(had.exportTo, exportTo) {
			continue
		}
		theirs, ours := had.spec.GetWorkloadSelector(), dr.Spec.GetWorkloadSelector()
		if (theirs == nil) != (ours == nil) || ours != nil && !sameLabels(theirs.GetMatchLabels(), ours.GetMatchLabels()) {
			continue
		}
		apart = false
		merged := proto.CloneOf(had.spec)
		for _, subset := range dr.Spec.GetSubsets() {
			if !slices.ContainsFunc(merged.GetSubsets(), func(s *networking.Subset) bool { return s.GetName() == subset.GetName() }) {
				merged.Subsets = append(merged.Subsets, subset)
			}
		}
		if merged.GetTrafficPolicy() == nil {
			merged.TrafficPolicy = dr.Spec.GetTrafficPolicy()
		}
		had.spec, had.objects = merged, append(had.objects, key(dr))
	}
	if apart {
		rules[host] = append(rules[host], &destinationRule{
			spec: &dr.Spec, namespace: dr.Namespace, exportTo: exportTo, objects: []string{key(dr)},
		})
	}
}

func sameLabels(a, b map[string]string) bool { return matches(a, b) && matches(b, a) }

// ruleFor returns what a caller's proxies have of DestinationRules for a host, or
// nil: those of the caller's namespace, else those of the service's, else those
// of the root namespace.
func (c *check) ruleFor(host string, from Caller) *destinationRule {
	own := c.local[from.Namespace]
	if from.Namespace == c.Root {
		own = c.private
	}
	found := own.of(host)
	if len(found) == 0 {
		if s := c.services[host]; s != nil {
			found = c.exported[s.Namespace].visibleTo(host, from.Namespace)
		}
	}
	if len(found) == 0 {
		found = c.exported[c.Root].visibleTo(host, from.Namespace)
	}
	var general *destinationRule
	for _, r := range found {
		selector := r.spec.GetWorkloadSelector()
		if selector == nil {
			general = r
		} else if r.namespace == from.Namespace && from.Labels != nil && matches(selector.GetMatchLabels(), from.Labels) {
			return r
		}
	}
	return general
}

// of returns the rules with the narrowest host that covers one.
func (r rulesByHost) of(host string) []*destinationRule {
	if exact := r[host]; len(exact) > 0 {
		return exact
	}
	best := ""
	for written := range r {
		if strings.HasPrefix(written, "*") && injector.HostMatches(written, host) && narrower(written, best) {
			best = written
		}
	}
	return r[best]
}

// visibleTo returns those of them that are exported to a namespace.
func (r rulesByHost) visibleTo(host, namespace string) []*destinationRule {
	var all []*destinationRule
	for _, rule := range r.of(host) {
		if len(rule.exportTo) == 0 || slices.Contains(rule.exportTo, "*") || slices.Contains(rule.exportTo, namespace) {
			all = append(all, rule)
		}
	}
	return all
}

// subset returns a subset by name, or nil.
func (r *destinationRule) subset(name string) *networking.Subset {
	if r == nil {
		return nil
	}
	i := slices.IndexFunc(r.spec.GetSubsets(), func(s *networking.Subset) bool { return s.GetName() == name })
	if i < 0 {
		return nil
	}
	return r.spec.GetSubsets()[i]
}
