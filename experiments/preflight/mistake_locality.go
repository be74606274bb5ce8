package preflight

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// failoverWithoutEjection finds failover between localities that never happens,
// for want of outlierDetection, and outlierDetection that turns it on unasked.
func failoverWithoutEjection(c *check) []Finding {
	var all []Finding
	c.eachDestination(func(_ Hop, d Destination) {
		setting, where := d.Policy.Balancer.GetLocalityLbSetting(), ""
		object := strings.Join(d.Policy.Objects[:min(1, len(d.Policy.Objects))], "")
		if setting == nil {
			setting, where = c.Mesh.GetLocalityLbSetting(), "meshConfig."
		}
		off := setting.GetEnabled() != nil && !setting.GetEnabled().GetValue() || len(setting.GetDistribute()) > 0
		asked := len(setting.GetFailover())+len(setting.GetFailoverPriority()) > 0
		switch zones := c.zonesOf(d); {
		case off:
		case asked && d.Policy.Ejection == nil && (where == "" || len(zones) > 1):
			all = found(all, object, fmt.Sprintf("%slocalityLbSetting asks for %s of requests to %s, which has no outlierDetection: without it proxies never take a host for failed, "+
				"and no request fails over. Add outlierDetection, with a maxEjectionPercent of 100, since all hosts of a locality must be out.", where, failoverText(setting), c.cluster(d)))
		case d.Policy.Ejection != nil && !asked && len(zones) > 1:
			all = found(all, object, fmt.Sprintf("outlierDetection for %s turns on failover between localities, though no localityLbSetting asks for it: its hosts are in %s, "+
				"and each caller uses only those of its own zone while they are healthy, however many they are. If load should go to all of them, set loadBalancer.localityLbSetting.enabled: false.",
				c.cluster(d), strings.Join(zones, ", ")))
		}
	})
	return all
}

func failoverText(s *networking.LocalityLoadBalancerSetting) string {
	if len(s.GetFailoverPriority()) > 0 {
		return "failover by " + strings.Join(s.GetFailoverPriority(), ", ")
	}
	var parts []string
	for _, f := range s.GetFailover() {
		parts = append(parts, f.GetFrom()+" to "+f.GetTo())
	}
	return "failover from " + strings.Join(parts, ", ")
}

// zonesOf returns the zones that the hosts of a destination are in, as far as
// labels of its pods tell, sorted.
func (c *check) zonesOf(d Destination) []string {
	s := c.services[d.Host]
	if s == nil || len(s.selector) == 0 {
		return nil
	}
	var zones []string
	for _, pod := range c.podsOf(s.Namespace, s.selector) {
		zone := pod.Labels["topology.kubernetes.io/zone"]
		if locality := pod.Labels["istio-locality"]; locality != "" {
			zone = strings.ReplaceAll(locality, ".", "/")
		}
		if zone != "" && ready(pod) && !slices.Contains(zones, zone) {
			zones = append(zones, zone)
		}
	}
	slices.Sort(zones)
	return zones
}
