package preflight

import (
	"fmt"
	"slices"

	networking "istio.io/api/networking/v1alpha3"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
)

// ejectsNobody finds outlierDetection with which not even one host may be out.
func ejectsNobody(c *check) []Finding {
	var all []Finding
	c.eachDestination(func(h Hop, d Destination) {
		e := d.Policy.Ejection
		if e == nil || !d.Policy.HostsKnown || d.Policy.Hosts == 0 || e.Most(d.Policy.Hosts) > 0 {
			return
		}
		limit := fmt.Sprintf("maxEjectionPercent is %d", e.MaxPercent)
		if e.Written.GetMaxEjectionPercent() <= 0 {
			limit = fmt.Sprintf("maxEjectionPercent is not set, which means %d", e.MaxPercent)
		}
		object, where := c.ejecting(d.Policy)
		if d.Policy.Hosts == 1 {
			all = found(all, object, fmt.Sprintf("%soutlierDetection never takes out the one host of %s: %s, and it would be 100%% of the hosts. "+
				"Run more pods, so that there is one to go to; with two of them set maxEjectionPercent to 50.", where, c.cluster(d), limit))
			return
		}
		all = found(all, object, fmt.Sprintf("%soutlierDetection never takes out any of the %d hosts of %s: %s, and one host is %s of them. "+
			"Set it to %d or more to have one out at a time%s. An upstream abort on one pod shows it: no ejection, errors that do not end.",
			where, d.Policy.Hosts, c.cluster(d), limit, percentText(100/float64(d.Policy.Hosts)), percentFor(1, d.Policy.Hosts), orTwo(d.Policy.Hosts)))
	})
	return all
}

func orTwo(hosts int) string {
	if hosts < 4 {
		return ""
	}
	return fmt.Sprintf(", to %d for two", percentFor(2, hosts))
}

// eachDestination asks about where the routes that matter lead to.
func (c *check) eachDestination(say func(h Hop, d Destination)) {
	for _, h := range c.hops {
		for _, r := range h.Routes {
			if !c.takesLoad(h, r) {
				continue
			}
			for _, d := range r.Destination {
				say(h, d)
			}
		}
	}
}

// cluster names a destination: "payments", "subset v2 of payments".
func (c *check) cluster(d Destination) string {
	name := d.Host
	if s := c.services[d.Host]; s != nil {
		name = s.String()
	}
	if d.Subset == "" {
		return name
	}
	return "subset " + d.Subset + " of " + name
}

// ejecting returns which object has the outlierDetection of a policy; what it
// stands in when that is none.
func (c *check) ejecting(p Policy) (object, where string) {
	for _, name := range p.Objects {
		i := slices.IndexFunc(c.DestinationRules, func(dr *networkingv1.DestinationRule) bool { return "DestinationRule "+key(dr) == name })
		if i >= 0 && slices.ContainsFunc(blocksOf(c.DestinationRules[i]), func(b block) bool { return b.policy.GetOutlierDetection() != nil }) {
			return name, ""
		}
	}
	return "", "meshConfig.defaultTrafficPolicy."
}

// consecutiveErrorsIgnored finds the old name of consecutive5xxErrors, which
// Istio reads no more.
func consecutiveErrorsIgnored(c *check) []Finding {
	return c.eachBlock(func(_ *networkingv1.DestinationRule, b block) string {
		written := b.policy.GetOutlierDetection()
		old := oldErrors(written)
		if old == 0 {
			return ""
		}
		e := ejectionOf(written)
		instead, fix := "5xx eject no host", fmt.Sprintf("Take it out, or write consecutive5xxErrors: %d if that is meant", old)
		if e.FiveXX > 0 {
			instead = fmt.Sprintf("a host is ejected after %d answers with 5xx in a row", e.FiveXX)
		}
		if written.GetConsecutive_5XxErrors() == nil {
			instead, fix = instead+", Envoy's default", fmt.Sprintf("Write consecutive5xxErrors: %d in its place", old)
		} else {
			instead += ", as consecutive5xxErrors says"
		}
		return fmt.Sprintf(".outlierDetection.consecutiveErrors is %d, a field that Istio reads no more: %s. "+
			"%s. An upstream abort on one pod shows it in the errors before the ejection.", old, instead, fix)
	})
}

func oldErrors(o *networking.OutlierDetection) int32 {
	return o.GetConsecutiveErrors() //nolint:staticcheck // that it is deprecated is what is found
}

// gatewayErrorsBeside5xx finds consecutiveGatewayErrors beside which 5xx eject,
// too, or first.
func gatewayErrorsBeside5xx(c *check) []Finding {
	return c.eachBlock(func(_ *networkingv1.DestinationRule, b block) string {
		e := ejectionOf(b.policy.GetOutlierDetection())
		if e == nil || e.GatewayErrors == 0 || e.FiveXX == 0 {
			return ""
		}
		written := e.Written.GetConsecutive_5XxErrors() != nil
		limit := fmt.Sprintf("consecutive5xxErrors is %d", e.FiveXX)
		if !written {
			limit = fmt.Sprintf("consecutive5xxErrors is not set, which means %d and not off", e.FiveXX)
		}
		switch {
		case e.FiveXX <= e.GatewayErrors:
			return fmt.Sprintf(".outlierDetection.consecutiveGatewayErrors of %d has no effect: %s, and every 502, 503 and 504 counts as a 5xx, too. "+
				"To eject for gateway errors alone set consecutive5xxErrors: 0; otherwise leave consecutiveGatewayErrors out, or set it below %d.", e.GatewayErrors, limit, e.FiveXX)
		case !written:
			return fmt.Sprintf(".outlierDetection has consecutiveGatewayErrors of %d, and %s: plain 500s eject a host as well. "+
				"To eject for gateway errors alone set consecutive5xxErrors: 0. An upstream abort with 500 on one pod shows it.", e.GatewayErrors, limit)
		}
		return ""
	})
}
