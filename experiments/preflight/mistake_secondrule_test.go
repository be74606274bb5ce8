package preflight

import "testing"

func TestSecondDestinationRule(t *testing.T) {
	const policy, other = "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}", "trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}"
	const v1, v2 = "\nsubsets: [{name: v1, labels: {version: v1}}]", "\nsubsets: [{name: v2, labels: {version: v2}}]"
	tryMistakes(t, "second-destination-rule", []mistakeCase{
		{"two policies, by age", []string{born(ruleYAML("a", policy), "2026-02-01T00:00:00Z"), born(ruleYAML("b", other), "2026-01-01T00:00:00Z")}, nil, `DestinationRule shop/a: is for payments.shop.svc.cluster.local, as is DestinationRule shop/b, which is older or first by name: Istio makes one rule of both and drops the trafficPolicy of this one. Write one DestinationRule for the host.`},
		{"a subset twice", []string{ruleYAML("a", policy+v1), ruleYAML("b", v1)}, nil, `DestinationRule shop/b: is for payments.shop.svc.cluster.local, as is DestinationRule shop/a, which is older or first by name: Istio makes one rule of both and drops subset v1 of this one. Write one DestinationRule for the host.`},
		{"both", []string{ruleYAML("a", policy+v1), ruleYAML("b", other+v1)}, nil, `DestinationRule shop/b: is for payments.shop.svc.cluster.local, as is DestinationRule shop/a, which is older or first by name: Istio makes one rule of both and drops the trafficPolicy and subset v1 of this one. Write one DestinationRule for the host.`},
		{"they add to each other", []string{ruleYAML("a", policy+v1), ruleYAML("b", v2)}, nil, ``},
		{"in another namespace", []string{ruleYAML("a", policy), inWeb(ruleYAML("b", other))}, nil, ``},
		{"for other workloads", []string{ruleYAML("a", policy), ruleYAML("b", other+"\nworkloadSelector: {matchLabels: {app: checkout}}")}, nil, ``},
	})
}
