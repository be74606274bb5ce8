package preflight

import "testing"

func TestEjectsNobody(t *testing.T) {
	rule := func(block string) []string {
		return []string{ruleYAML("payments", "trafficPolicy: {outlierDetection: {"+block+"}}")}
	}
	const subsets = "subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]"
	split := virtualServiceYAML("payments", "route: [{destination: {host: payments, subset: v1}, weight: 90}, {destination: {host: payments, subset: v2}, weight: 10}]")
	tryMistakes(t, "ejection-of-nobody", []mistakeCase{
		{"the default of 10%", rule("consecutive5xxErrors: 5"), nil, `DestinationRule shop/payments: outlierDetection never takes out any of the 3 hosts of payments: maxEjectionPercent is not set, which means 10, and one host is 33.33% of them. Set it to 34 or more to have one out at a time. An upstream abort on one pod shows it: no ejection, errors that do not end.`},
		{"a third is more than 33%", rule("maxEjectionPercent: 33"), nil, `DestinationRule shop/payments: outlierDetection never takes out any of the 3 hosts of payments: maxEjectionPercent is 33, and one host is 33.33% of them. Set it to 34 or more to have one out at a time. An upstream abort on one pod shows it: no ejection, errors that do not end.`},
		{"34 is enough for one of three", rule("maxEjectionPercent: 34"), nil, ``},
		{"enough for three pods, too little for subsets", []string{split, ruleYAML("payments", "trafficPolicy: {outlierDetection: {maxEjectionPercent: 40}}\n"+subsets)}, nil, `DestinationRule shop/payments: outlierDetection never takes out any of the 2 hosts of subset v1 of payments: maxEjectionPercent is 40, and one host is 50% of them. Set it to 50 or more to have one out at a time. An upstream abort on one pod shows it: no ejection, errors that do not end.
DestinationRule shop/payments: outlierDetection never takes out the one host of subset v2 of payments: maxEjectionPercent is 40, and it would be 100% of the hosts. Run more pods, so that there is one to go to; with two of them set maxEjectionPercent to 50.`},
		{"half of two, and no rule for one", []string{split, ruleYAML("payments", "trafficPolicy: {outlierDetection: {maxEjectionPercent: 50}}\n"+subsets)}, nil, `DestinationRule shop/payments: outlierDetection never takes out the one host of subset v2 of payments: maxEjectionPercent is 50, and it would be 100% of the hosts. Run more pods, so that there is one to go to; with two of them set maxEjectionPercent to 50.`},
		{"many pods", append(rule("maxEjectionPercent: 15"), podYAML("payments-3", "payments", "v1"), podYAML("payments-4", "payments", "v1")), nil, `DestinationRule shop/payments: outlierDetection never takes out any of the 5 hosts of payments: maxEjectionPercent is 15, and one host is 20% of them. Set it to 20 or more to have one out at a time, to 40 for two. An upstream abort on one pod shows it: no ejection, errors that do not end.`},
		{"no block", []string{ruleYAML("payments", "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}")}, nil, ``},
		{"hosts are not known", append(rule("consecutive5xxErrors: 5"), `
apiVersion: v1
kind: Service
metadata: {name: payments, namespace: shop}
spec: {ports: [{name: http, port: 80}]}`), nil, ``},
	})
}

func TestConsecutiveErrorsIgnored(t *testing.T) {
	tryMistakes(t, "consecutive-errors-ignored", []mistakeCase{
		{"alone", []string{ruleYAML("payments", "trafficPolicy: {outlierDetection: {consecutiveErrors: 3}}")}, nil, `DestinationRule shop/payments: trafficPolicy.outlierDetection.consecutiveErrors is 3, a field that Istio reads no more: a host is ejected after 5 answers with 5xx in a row, Envoy's default. Write consecutive5xxErrors: 3 in its place. An upstream abort on one pod shows it in the errors before the ejection.`},
		{"beside the new one", []string{ruleYAML("payments", "trafficPolicy: {outlierDetection: {consecutiveErrors: 3, consecutive5xxErrors: 7}}")}, nil, `DestinationRule shop/payments: trafficPolicy.outlierDetection.consecutiveErrors is 3, a field that Istio reads no more: a host is ejected after 7 answers with 5xx in a row, as consecutive5xxErrors says. Take it out, or write consecutive5xxErrors: 3 if that is meant. An upstream abort on one pod shows it in the errors before the ejection.`},
		{"beside the new one at 0", []string{ruleYAML("payments", "trafficPolicy: {outlierDetection: {consecutiveErrors: 3, consecutive5xxErrors: 0}}")}, nil, `DestinationRule shop/payments: trafficPolicy.outlierDetection.consecutiveErrors is 3, a field that Istio reads no more: 5xx eject no host, as consecutive5xxErrors says. Take it out, or write consecutive5xxErrors: 3 if that is meant. An upstream abort on one pod shows it in the errors before the ejection.`},
		{"in a port of a subset", []string{ruleYAML("payments", "subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 80}, outlierDetection: {consecutiveErrors: 3}}]}}]")}, nil, `DestinationRule shop/payments: subsets[v1].trafficPolicy.portLevelSettings[0].outlierDetection.consecutiveErrors is 3, a field that Istio reads no more: a host is ejected after 5 answers with 5xx in a row, Envoy's default. Write consecutive5xxErrors: 3 in its place. An upstream abort on one pod shows it in the errors before the ejection.`},
		{"the new one", []string{ruleYAML("payments", "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}")}, nil, ``},
	})
}

func TestGatewayErrorsBeside5xx(t *testing.T) {
	rule := func(block string) []string {
		return []string{ruleYAML("payments", "trafficPolicy: {outlierDetection: {"+block+"}}")}
	}
	tryMistakes(t, "gateway-errors-beside-5xx", []mistakeCase{
		{"fewer than the default for 5xx", rule("consecutiveGatewayErrors: 4"), nil, `DestinationRule shop/payments: trafficPolicy.outlierDetection has consecutiveGatewayErrors of 4, and consecutive5xxErrors is not set, which means 5 and not off: plain 500s eject a host as well. To eject for gateway errors alone set consecutive5xxErrors: 0. An upstream abort with 500 on one pod shows it.`},
		{"as many", rule("consecutiveGatewayErrors: 5"), nil, `DestinationRule shop/payments: trafficPolicy.outlierDetection.consecutiveGatewayErrors of 5 has no effect: consecutive5xxErrors is not set, which means 5 and not off, and every 502, 503 and 504 counts as a 5xx, too. To eject for gateway errors alone set consecutive5xxErrors: 0; otherwise leave consecutiveGatewayErrors out, or set it below 5.`},
		{"more than is written for 5xx", rule("consecutiveGatewayErrors: 4, consecutive5xxErrors: 3"), nil, `DestinationRule shop/payments: trafficPolicy.outlierDetection.consecutiveGatewayErrors of 4 has no effect: consecutive5xxErrors is 3, and every 502, 503 and 504 counts as a 5xx, too. To eject for gateway errors alone set consecutive5xxErrors: 0; otherwise leave consecutiveGatewayErrors out, or set it below 3.`},
		{"both on purpose", rule("consecutiveGatewayErrors: 3, consecutive5xxErrors: 10"), nil, ``},
		{"5xx switched off", rule("consecutiveGatewayErrors: 5, consecutive5xxErrors: 0"), nil, ``},
		{"gateway errors switched off", rule("consecutiveGatewayErrors: 0"), nil, ``},
	})
}
