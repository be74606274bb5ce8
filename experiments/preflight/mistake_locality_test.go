package preflight

import (
	"strings"
	"testing"
)

// inZones puts the pods of payments into zones, one after the other.
func inZones(zones ...string) []string {
	var pods []string
	for i, zone := range zones {
		name := "payments-" + string(rune('0'+i))
		pods = append(pods, strings.Replace(podYAML(name, "payments", "v1"), "version: v1", "version: v1, topology.kubernetes.io/zone: "+zone, 1))
	}
	return pods
}

func TestFailoverWithoutEjection(t *testing.T) {
	const failover = "loadBalancer: {localityLbSetting: {failover: [{from: eu, to: us}]}}"
	with := func(policy string, zones ...string) []string {
		return append(inZones(zones...), ruleYAML("payments", "trafficPolicy: {"+policy+"}"))
	}
	const ejection = "outlierDetection: {maxEjectionPercent: 100}"
	tryMistakes(t, "failover-without-ejection", []mistakeCase{
		{"failover alone", with(failover), nil, `DestinationRule shop/payments: localityLbSetting asks for failover from eu to us of requests to payments, which has no outlierDetection: without it proxies never take a host for failed, and no request fails over. Add outlierDetection, with a maxEjectionPercent of 100, since all hosts of a locality must be out.`},
		{"priorities alone", with("loadBalancer: {localityLbSetting: {failoverPriority: [topology.kubernetes.io/zone]}}"), nil, `DestinationRule shop/payments: localityLbSetting asks for failover by topology.kubernetes.io/zone of requests to payments, which has no outlierDetection: without it proxies never take a host for failed, and no request fails over. Add outlierDetection, with a maxEjectionPercent of 100, since all hosts of a locality must be out.`},
		{"both", with(failover+", "+ejection, "a", "b"), nil, ``},
		{"distribution needs none", with("loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {a: 80, b: 20}}]}}", "a", "b"), nil, ``},
		{"ejection in two zones", with(ejection, "b", "a", "b"), nil, `DestinationRule shop/payments: outlierDetection for payments turns on failover between localities, though no localityLbSetting asks for it: its hosts are in a, b, and each caller uses only those of its own zone while they are healthy, however many they are. If load should go to all of them, set loadBalancer.localityLbSetting.enabled: false.`},
		{"ejection in one", with(ejection, "a", "a"), nil, ``},
		{"switched off", with(ejection+", loadBalancer: {localityLbSetting: {enabled: false}}", "a", "b"), nil, ``},
	})
}
