package preflight

import "testing"

func TestRouteNeverReached(t *testing.T) {
	routes := func(list string) []string {
		return []string{`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: payments, namespace: shop}
spec:
  hosts: [payments]
  http:
` + list}
	}
	const to = "route: [{destination: {host: payments}}]}\n"
	tryMistakes(t, "route-never-reached", []mistakeCase{
		{"behind one without a match", routes("  - {" + to + "  - {name: jason, match: [{headers: {end-user: {exact: jason}}}], " + to), nil, `VirtualService shop/payments: http[1] "jason" is never reached: http[0] before it takes every request. Put the routes with a match first, and the one without one last.`},
		{"behind a prefix of all", routes("  - {match: [{uri: {prefix: /a}}, {uri: {prefix: /}}], " + to + "  - {match: [{uri: {prefix: /b}}], " + to + "  - {" + to), nil, `VirtualService shop/payments: http[1], http[2] are never reached: http[0] before it takes every request. Put the routes with a match first, and the one without one last.`},
		{"in order", routes("  - {match: [{uri: {prefix: /b}}], " + to + "  - {" + to), nil, ``},
		{"all of one caller only", routes("  - {match: [{sourceLabels: {app: web}}], " + to + "  - {" + to), nil, ``},
		{"all with a header", routes("  - {match: [{uri: {prefix: /}, headers: {a: {exact: b}}}], " + to + "  - {" + to), nil, ``},
		{"all of a delegate", append(routes("  - {delegate: {name: child}}\n  - {match: [{uri: {prefix: /b}}], "+to), `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: child, namespace: shop}
spec: {http: [{route: [{destination: {host: payments}}]}]}`), nil, `VirtualService shop/payments: http[1] is never reached: http[0] of VirtualService shop/child before it takes every request. Put the routes with a match first, and the one without one last.`},
	})
}
