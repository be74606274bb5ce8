package preflight

import (
	"fmt"

	networking "istio.io/api/networking/v1alpha3"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
)

// block is one place in a DestinationRule where policy is written.
type block struct {
	path   string // such as "subsets[v2].trafficPolicy"
	policy *networking.TrafficPolicy
	subset *networking.Subset // that it is for; nil for the service as a whole
	port   uint32             // that it is for; 0 for all
}

// blocksOf returns all of them, the one for the service and all ports first.
func blocksOf(dr *networkingv1.DestinationRule) []block {
	all := blocksUnder("trafficPolicy", dr.Spec.GetTrafficPolicy(), nil)
	for _, s := range dr.Spec.GetSubsets() {
		all = append(all, blocksUnder(fmt.Sprintf("subsets[%s].trafficPolicy", s.GetName()), s.GetTrafficPolicy(), s)...)
	}
	return all
}

func blocksUnder(path string, policy *networking.TrafficPolicy, subset *networking.Subset) []block {
	if policy == nil {
		return nil
	}
	all := []block{{path, policy, subset, 0}}
	for i, p := range policy.GetPortLevelSettings() {
		part, _ := atPort(policy, int(p.GetPort().GetNumber()))
		all = append(all, block{fmt.Sprintf("%s.portLevelSettings[%d]", path, i), part, subset, p.GetPort().GetNumber()})
	}
	return all
}

// eachBlock asks about the policies of the DestinationRules that matter. What say
// returns is found at that place; "" is nothing.
func (c *check) eachBlock(say func(dr *networkingv1.DestinationRule, b block) string) []Finding {
	var all []Finding
	for _, dr := range c.rulesOfHops() {
		for _, b := range blocksOf(dr) {
			if text := say(dr, b); text != "" {
				all = found(all, "DestinationRule "+key(dr), b.path+text)
			}
		}
	}
	return all
}
