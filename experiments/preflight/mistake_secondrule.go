package preflight

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
)

// secondDestinationRule finds DestinationRules of one host and one namespace of
// which Istio drops a part when it makes one of them.
func secondDestinationRule(c *check) []Finding {
	var all []Finding
	rules := c.rulesOfHops()
	slices.SortStableFunc(rules, func(a, b *networkingv1.DestinationRule) int { return older(a, b) })
	for i, later := range rules {
		var lost []string
		var first *networkingv1.DestinationRule
		for _, earlier := range rules[:i] {
			if !c.mergedInto(earlier, later) {
				continue
			}
			for _, part := range lostParts(earlier, later) {
				if !slices.Contains(lost, part) {
					lost, first = append(lost, part), earlier
				}
			}
		}
		if len(lost) == 0 {
			continue
		}
		all = found(all, "DestinationRule "+key(later), fmt.Sprintf("is for %s, as is DestinationRule %s, which is older or first by name: "+
			"Istio makes one rule of both and drops %s of this one. Write one DestinationRule for the host.",
			c.resolve(later.Spec.GetHost(), later.Namespace), key(first), strings.Join(lost, " and ")))
	}
	return all
}

// mergedInto says whether Istio makes one rule of two.
func (c *check) mergedInto(a, b *networkingv1.DestinationRule) bool {
	x, y := a.Spec.GetWorkloadSelector(), b.Spec.GetWorkloadSelector()
	return a.Namespace == b.Namespace && c.resolve(a.Spec.GetHost(), a.Namespace) == c.resolve(b.Spec.GetHost(), b.Namespace) &&
		(x == nil) == (y == nil) && sameLabels(x.GetMatchLabels(), y.GetMatchLabels()) &&
		slices.Equal(slices.Sorted(slices.Values(a.Spec.GetExportTo())), slices.Sorted(slices.Values(b.Spec.GetExportTo())))
}

// lostParts names what the earlier rule has already and the later cannot add.
func lostParts(earlier, later *networkingv1.DestinationRule) []string {
	var lost []string
	if earlier.Spec.GetTrafficPolicy() != nil && later.Spec.GetTrafficPolicy() != nil {
		lost = append(lost, "the trafficPolicy")
	}
	for _, s := range later.Spec.GetSubsets() {
		if slices.ContainsFunc(earlier.Spec.GetSubsets(), func(had *networking.Subset) bool { return had.GetName() == s.GetName() }) {
			lost = append(lost, "subset "+s.GetName())
		}
	}
	return lost
}
