package preflight

import "testing"

func TestBlockReplacesParent(t *testing.T) {
	const parent = "trafficPolicy:\n  outlierDetection: {consecutive5xxErrors: 3, interval: 1s, maxEjectionPercent: 50}\n  connectionPool: {tcp: {maxConnections: 10}, http: {http1MaxPendingRequests: 5}}\n"
	subset := func(policy string) []string {
		return []string{ruleYAML("payments", parent+"subsets: [{name: v2, labels: {version: v2}, trafficPolicy: "+policy+"}]")}
	}
	tryMistakes(t, "block-replaces-parent", []mistakeCase{
		{"a subset's ejection", subset("{outlierDetection: {consecutive5xxErrors: 2}}"), nil, `DestinationRule shop/payments: subsets[v2].trafficPolicy replaces the blocks that it has as a whole, and inherits nothing from them: Istio's defaults apply there in place of outlierDetection.interval 1s, outlierDetection.maxEjectionPercent 50. Repeat in it what should stay.`},
		{"a part of a pool", subset("{connectionPool: {http: {http2MaxRequests: 3}}}"), nil, `DestinationRule shop/payments: subsets[v2].trafficPolicy replaces the blocks that it has as a whole, and inherits nothing from them: Istio's defaults apply there in place of connectionPool.tcp.maxConnections 10, connectionPool.http.http1MaxPendingRequests 5. Repeat in it what should stay.`},
		{"all of it repeated", subset("{outlierDetection: {consecutive5xxErrors: 2, interval: 2s, maxEjectionPercent: 100}}"), nil, ``},
		{"another block", subset("{loadBalancer: {simple: RANDOM}}"), nil, ``},
		{"a port", []string{ruleYAML("payments", "trafficPolicy:\n  outlierDetection: {consecutive5xxErrors: 3}\n  loadBalancer: {simple: ROUND_ROBIN}\n  tls: {mode: SIMPLE, sni: payments.example}\n"+
			"  portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 10}}}]")}, nil, `DestinationRule shop/payments: trafficPolicy.portLevelSettings[0] replaces everything that is written for all ports, and inherits nothing from them: Istio's defaults apply there in place of outlierDetection.consecutive5xxErrors 3, loadBalancer.simple ROUND_ROBIN, tls.mode SIMPLE, tls.sni payments.example. Repeat in it what should stay.`},
		{"a port that repeats all", []string{ruleYAML("payments", "trafficPolicy:\n  outlierDetection: {consecutive5xxErrors: 3}\n  portLevelSettings: [{port: {number: 80}, outlierDetection: {consecutive5xxErrors: 1}}]")}, nil, ``},
		{"a port of a subset", []string{ruleYAML("payments", "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}\n"+
			"subsets: [{name: v2, trafficPolicy: {connectionPool: {tcp: {maxConnections: 9}}, portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]}}]")}, nil, `DestinationRule shop/payments: subsets[v2].trafficPolicy.portLevelSettings[0] replaces everything that is written for all ports, and inherits nothing from them: Istio's defaults apply there in place of connectionPool.tcp.maxConnections 9, outlierDetection.consecutive5xxErrors 3. Repeat in it what should stay.`},
		{"no parent", []string{ruleYAML("payments", "subsets: [{name: v2, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 2}}}]")}, nil, ``},
	})
}
