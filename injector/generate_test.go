package injector

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A generator makes VirtualServices of every shape that Istio knows, out of so
// few values that conditions meet, contradict and hide each other.
type generator struct{ *rand.Rand }

// one returns one of the values.
func one[T any](g generator, values ...T) T { return values[g.IntN(len(values))] }

// sometimes says yes once in n times.
func (g generator) sometimes(n int) bool { return g.IntN(n) == 0 }

// text returns a condition on a text.
func (g generator) text(values ...string) object {
	value := one(g, values...)
	switch g.IntN(5) {
	case 0:
		return object{"prefix": value[:1]}
	case 1:
		return object{"regex": regexp.QuoteMeta(value[:1]) + ".*"}
	case 2:
		return object{}
	}
	return object{"exact": value}
}

// match returns a match, of few or many conditions.
func (g generator) match() object {
	m := object{}
	put := func(n int, field string, value any) {
		if g.sometimes(n) {
			m[field] = value
		}
	}
	put(2, "uri", one(g, object{"prefix": "/"}, object{"prefix": "/a"}, object{"exact": "/a/b"}, object{"regex": "/.*b"}))
	put(4, "headers", object{one(g, "x-user", "X-User", "x-track", "baggage"): g.text("ada", "bob")})
	put(8, "headers", object{"x-faultline-run": object{"exact": "other"}})
	put(6, "withoutHeaders", object{one(g, "x-user", "x-track", "baggage"): one(g, g.text("ada"), object{"regex": "*"})})
	put(8, "queryParams", object{"q": object{"exact": "1"}})
	put(6, "method", object{"exact": one(g, "GET", "POST")})
	put(6, "port", one(g, int64(80), int64(8081)))
	put(5, "sourceLabels", object{"app": one(g, "web", "checkout")})
	put(6, "sourceNamespace", one(g, "web", "shop"))
	put(6, "gateways", one(g, []any{"mesh"}, []any{"public"}, []any{"shop/public", "mesh"}))
	put(8, "authority", object{"exact": one(g, "payments", "orders.example")})
	put(6, "name", "m")
	put(8, "ignoreUriCase", true)
	return m
}

// route returns a route, named as the n-th.
func (g generator) route(n int) object {
	r := object{"name": fmt.Sprint("user-", n)}
	if !g.sometimes(4) {
		var matches []any
		for range 1 + g.IntN(3) {
			matches = append(matches, g.match())
		}
		r["match"] = matches
	}
	switch g.IntN(8) {
	case 0:
		r["redirect"] = object{"uri": "/"}
	case 1:
		r["directResponse"] = object{"status": int64(200)}
	case 2:
		r["route"] = []any{object{"destination": object{"host": "orders"}}}
	case 3:
		r["route"] = []any{
			object{"destination": object{"host": "payments", "subset": "v1"}, "weight": int64(g.IntN(2) * 50)},
			object{"destination": object{"host": "payments", "subset": "v2"}, "weight": int64(50)},
		}
	default:
		r["route"] = []any{object{"destination": object{"host": "payments"}}}
	}
	if g.sometimes(6) {
		r["headers"] = object{"response": object{"set": object{"x": "1"}}, "request": object{"remove": []any{"y"}}}
	}
	if g.sometimes(6) {
		r["timeout"], r["x-unknown"] = "1.5s", []any{nil, 1.25, object{}}
	}
	return r
}

// virtualService returns one for payments in namespace shop.
func (g generator) virtualService() *unstructured.Unstructured {
	var routes []any
	for n := range 1 + g.IntN(5) {
		routes = append(routes, g.route(n))
	}
	spec := object{
		"hosts": one(g, []any{"payments"}, []any{"payments", "orders.example"}, []any{"payments.shop.svc.cluster.local"}),
		"http":  routes,
	}
	if g.sometimes(3) {
		spec["gateways"] = one(g, []any{"mesh", "public"}, []any{"public"}, []any{"shop/public", "mesh", "internal"})
	}
	if g.sometimes(5) {
		spec["tcp"] = []any{object{"route": []any{object{"destination": object{"host": "payments"}}}}}
	}
	meta := object{"name": "payments", "namespace": "shop", "resourceVersion": "7"}
	if g.sometimes(3) {
		meta["annotations"] = object{"note": "x"}
	}
	return &unstructured.Unstructured{Object: object{
		"apiVersion": virtualServices.GroupVersion().String(), "kind": kindVirtualService, "metadata": meta, "spec": spec,
	}}
}

// fault returns a Caller fault on payments, for some scope.
func (g generator) fault() Fault {
	f := callerFault
	f.On.Port = one(g, 0, 0, 80, 8081)
	switch g.IntN(6) {
	case 0:
		f.From.Gateway = "shop/public"
	case 1:
		f.From.Namespace = "web"
	case 2:
		f.From.Labels = map[string]string{"app": "web"}
	}
	switch g.IntN(4) {
	case 0:
		f.AllTraffic = true
	case 1:
		f.Headers = map[string]string{"x-user": one(g, "ada", "bob")}
	}
	return f
}

// planFor plans f on vs in a world of little else.
func (g generator) planFor(t *testing.T, vs *unstructured.Unstructured, f Fault) (Plan, error) {
	t.Helper()
	w := worldOf(append(decode(t, `
apiVersion: v1
kind: Service
metadata: {name: payments, namespace: shop}
spec: {ports: [{name: http, port: 80}, {name: http-b, port: 8081}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: shop}
spec: {servers: [{hosts: ["*"]}]}
`), vs)...)
	return makePlan(w, request{
		run: testRun, by: testBy, until: testUntil, now: testNow, faults: []Fault{f}, limits: BlastRadius{AllTraffic: true},
	})
}
