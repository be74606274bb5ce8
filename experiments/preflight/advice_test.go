package preflight

import (
	"strings"
	"testing"
)

func TestAdviceTimeout(t *testing.T) {
	tryMistakes(t, "advice-timeout", []mistakeCase{
		{"nothing written", nil, nil, `calls to shop/payments have no timeout, so that a caller waits for as long as they take. Give their routes one, such as timeout: 2s, and retries that fit into it.`},
		{"one of two routes has none", []string{virtualServiceYAML("payments", "match: [{uri: {prefix: /a}}]\ntimeout: 1s") + "\n  - route: [{destination: {host: payments}}]"}, nil, `calls to shop/payments have no timeout, so that a caller waits for as long as they take. Give their routes one, such as timeout: 2s, and retries that fit into it.`},
		{"a timeout", []string{virtualServiceYAML("payments", "timeout: 1s")}, nil, ``},
	})
}

func TestAdviceOutlierDetection(t *testing.T) {
	tryMistakes(t, "advice-outlier-detection", []mistakeCase{
		{"nothing written", nil, nil, `nothing takes a failing host of shop/payments out: there is no outlierDetection in effect. Add it to a DestinationRule, with consecutive5xxErrors, and a maxEjectionPercent that lets at least one host go.`},
		{"another policy", []string{ruleYAML("payments", "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}")}, nil, `nothing takes a failing host of shop/payments out: there is no outlierDetection in effect. Add it to a DestinationRule, with consecutive5xxErrors, and a maxEjectionPercent that lets at least one host go.`},
		{"it is there", []string{ruleYAML("payments", "trafficPolicy: {outlierDetection: {maxEjectionPercent: 50}}")}, nil, ``},
		{"one pod, and nobody else to go to", []string{strings.Replace(serviceYAML("payments"), "{app: payments}", "{version: v2}", 1)}, nil, ``},
	})
}

func TestAdviceCanaryShare(t *testing.T) {
	rule := ruleYAML("payments", "subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]")
	split := func(v1, v2 string) []string {
		return []string{rule, virtualServiceYAML("payments", "route: [{destination: {host: payments, subset: v1}, weight: "+v1+"}, {destination: {host: payments, subset: v2}, weight: "+v2+"}]")}
	}
	tryMistakes(t, "advice-canary-share", []mistakeCase{
		{"half and half", split("50", "50"), nil, `a version that is new gets more than 25% of the requests: subset v1 of payments (VirtualService shop/payments http[0], 50%). Begin with 1 to 10%, and raise it while its error rate holds.`},
		{"a little more than a quarter", split("74", "26"), nil, `a version that is new gets more than 25% of the requests: subset v2 of payments (VirtualService shop/payments http[0], 26%). Begin with 1 to 10%, and raise it while its error rate holds.`},
		{"a quarter", split("75", "25"), nil, ``},
		{"a tenth", split("90", "10"), nil, ``},
		{"all", split("0", "100"), nil, ``},
	})
}

func TestAdviceRollback(t *testing.T) {
	rule := ruleYAML("payments", "subsets: [{name: v1, labels: {version: v1}}, {name: v0, labels: {version: v0}}]")
	split := func(old string) []string {
		return []string{rule, virtualServiceYAML("payments", "route: [{destination: {host: payments, subset: v1}, weight: 100}, {destination: {host: payments, subset: "+old+"}, weight: 0}]")}
	}
	tryMistakes(t, "advice-rollback", []mistakeCase{
		{"the old version has no pods", split("v0"), nil, `subset v0 of payments has weight 0 and no pods: there is nothing to go back to when the other version fails. Keep its pods until the new one is proven.`},
		{"the old version is not declared any more", split("v9"), nil, `subset v9 of payments has weight 0 and no pods: there is nothing to go back to when the other version fails. Keep its pods until the new one is proven.`},
		{"the old version is there", append(split("v0"), podYAML("payments-9", "payments", "v0")), nil, ``},
	})
}

func TestAdviceLocality(t *testing.T) {
	tryMistakes(t, "advice-locality", []mistakeCase{
		{"two zones", inZones("a", "b"), nil, `the hosts of payments are in several zones, and callers use all of them alike, near or far. With outlierDetection callers stay in their zone while it is healthy; loadBalancer.localityLbSetting says otherwise.`},
		{"one zone", inZones("a", "a"), nil, ``},
		{"two zones and a setting", append(inZones("a", "b"), ruleYAML("payments", "trafficPolicy: {loadBalancer: {localityLbSetting: {enabled: false}}}")), nil, ``},
		{"two zones and ejection", append(inZones("a", "b"), ruleYAML("payments", "trafficPolicy: {outlierDetection: {}}")), nil, ``},
	})
}

func TestAdviceProxyResources(t *testing.T) {
	limited := func(limits string) []string {
		return []string{
			strings.Replace(serviceYAML("payments"), "{app: payments}", "{app: limited}", 1),
			strings.Replace(podYAML("limited-0", "limited", "v1"), "{name: istio-proxy}", "{name: istio-proxy, resources: {limits: {"+limits+"}}}", 1),
		}
	}
	annotated := limited("")
	annotated[1] = strings.Replace(annotated[1], "metadata: {", "metadata: {annotations: {sidecar.istio.io/proxyCPULimit: 200m, sidecar.istio.io/proxyMemoryLimit: 128Mi}, ", 1)
	tryMistakes(t, "advice-proxy-resources", []mistakeCase{
		{"none", nil, nil, `the proxies beside shop/payments have no resource limits, so that a proxy under load takes what the application needs. Set the annotations sidecar.istio.io/proxyCPULimit and sidecar.istio.io/proxyMemoryLimit on the pods, or limits for all in the mesh's values.`},
		{"memory only", limited("memory: 1Gi"), nil, `the proxies beside shop/payments have no resource limits, so that a proxy under load takes what the application needs. Set the annotations sidecar.istio.io/proxyCPULimit and sidecar.istio.io/proxyMemoryLimit on the pods, or limits for all in the mesh's values.`},
		{"both", limited("cpu: 2, memory: 1Gi"), nil, ``},
		{"asked for by annotations", annotated, nil, ``},
	})
}
