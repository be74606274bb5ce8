package preflight

import "testing"

func TestShortNameElsewhere(t *testing.T) {
	tryMistakes(t, "short-name-elsewhere", []mistakeCase{
		{"of a rule in another namespace", []string{inWeb(ruleYAML("payments", "trafficPolicy: {outlierDetection: {}}"))}, nil, `DestinationRule web/payments: is for payments, which means payments.web.svc.cluster.local: a name without a dot belongs to the namespace of the rule it stands in, and the service is payments.shop.svc.cluster.local. Its policies apply to nothing. Write the whole name.`},
		{"of routes in another namespace", []string{inWeb(virtualServiceYAML("payments", "timeout: 1s"))}, nil, `VirtualService web/payments: has routes for payments, which means payments.web.svc.cluster.local: a name without a dot belongs to the namespace of the rule it stands in, and the service is payments.shop.svc.cluster.local. Its routes apply to nothing. Write the whole name.`},
		{"there is one of that name", []string{inWeb(ruleYAML("payments", "")), inWeb(serviceYAML("payments"))}, nil, ``},
		{"of a destination", []string{`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: payments, namespace: web}
spec: {hosts: [payments.shop.svc.cluster.local], http: [{route: [{destination: {host: payments}}]}]}`}, nil, `VirtualService web/payments: http[0] sends 100% of its requests to payments.web.svc.cluster.local, which does not exist (a name without a dot belongs to the namespace of the rule it stands in): they are answered with 503. Write the whole name.`},
		{"part of the name", []string{virtualServiceYAML("payments", "route: [{destination: {host: payments.shop}}]")}, nil, `VirtualService shop/payments: http[0] sends 100% of its requests to payments.shop, a name that callers may use and Istio does not complete: they are answered with 503. Write the whole name.`},
		{"part of the name as a host", []string{`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: payments, namespace: shop}
spec: {hosts: [payments.shop.svc], http: [{timeout: 1s, route: [{destination: {host: payments}}]}]}`}, nil, `VirtualService shop/payments: has routes for payments.shop.svc, which callers may use and Istio does not complete: the service is payments.shop.svc.cluster.local. Its routes apply to nothing. Write the whole name.`},
		{"at home", []string{virtualServiceYAML("payments", ""), ruleYAML("payments", "")}, nil, ``},
		{"out of the cluster", []string{virtualServiceYAML("payments", "route: [{destination: {host: payments.example}}]")}, nil, ``},
	})
}
