package preflight

import "testing"

func TestSubsetWithoutRoute(t *testing.T) {
	rule := ruleYAML("payments", "subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}, trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}}]")
	tryMistakes(t, "subset-without-route", []mistakeCase{
		{"no VirtualService", []string{rule}, nil, `DestinationRule shop/payments: subsets[v2] has a trafficPolicy, and no route of any VirtualService leads to that subset: requests to payments go to the service as a whole, without the policy. Route to the subset, or move the policy to spec.trafficPolicy.`},
		{"a route to the whole", []string{rule, virtualServiceYAML("payments", "timeout: 1s")}, nil, `DestinationRule shop/payments: subsets[v2] has a trafficPolicy, and no route of any VirtualService leads to that subset: requests to payments go to the service as a whole, without the policy. Route to the subset, or move the policy to spec.trafficPolicy.`},
		{"a route to it", []string{rule, virtualServiceYAML("payments", "route: [{destination: {host: payments, subset: v2}}]")}, nil, ``},
		{"a mirror to it", []string{rule, virtualServiceYAML("payments", "mirror: {host: payments.shop.svc.cluster.local, subset: v2}")}, nil, ``},
		{"a route from another namespace to another service", []string{rule, inWeb(virtualServiceYAML("payments", "route: [{destination: {host: payments, subset: v2}}]"))}, nil, `DestinationRule shop/payments: subsets[v2] has a trafficPolicy, and no route of any VirtualService leads to that subset: requests to payments go to the service as a whole, without the policy. Route to the subset, or move the policy to spec.trafficPolicy.`},
		{"no policy", []string{ruleYAML("payments", "subsets: [{name: v1, labels: {version: v1}}]")}, nil, ``},
	})
}

func TestMissingSubset(t *testing.T) {
	split := virtualServiceYAML("payments", "route: [{destination: {host: payments, subset: v1}, weight: 90}, {destination: {host: payments, subset: v3}, weight: 10}]")
	rule := ruleYAML("payments", "subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]")
	tryMistakes(t, "subset-missing", []mistakeCase{
		{"one that is not declared", []string{split, rule}, nil, `VirtualService shop/payments: http[0] sends 10% of its requests to subset v3 of payments.shop.svc.cluster.local, which does not exist: for callers in shop DestinationRule shop/payments has v1, v2. They are answered with 503 (response flag NC, no cluster). Name one that is there, or declare subset v3 in a DestinationRule for the host that these callers see.`},
		{"no DestinationRule", []string{virtualServiceYAML("payments", "route: [{destination: {host: payments, subset: v1}}]")}, nil, `VirtualService shop/payments: http[0] sends 100% of its requests to subset v1 of payments.shop.svc.cluster.local, which does not exist: for callers in shop no DestinationRule is in effect for that host. They are answered with 503 (response flag NC, no cluster). Name one that is there, or declare subset v1 in a DestinationRule for the host that these callers see.`},
		{"one that callers do not see", []string{virtualServiceYAML("payments", "route: [{destination: {host: payments, subset: v1}}]"), rule + "\n  exportTo: [web]"}, nil, `VirtualService shop/payments: http[0] sends 100% of its requests to subset v1 of payments.shop.svc.cluster.local, which does not exist: for callers in shop no DestinationRule is in effect for that host. They are answered with 503 (response flag NC, no cluster). Name one that is there, or declare subset v1 in a DestinationRule for the host that these callers see.`},
		{"declared", []string{virtualServiceYAML("payments", "route: [{destination: {host: payments, subset: v1}}]"), rule}, nil, ``},
	})
}
