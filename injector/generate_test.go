package injector

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
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

// asking is one request, as a proxy has it.
type asking struct {
	path, method, authority, query string
	headers                        map[string]string
	port                           int64
	gateway                        string // "mesh" for a sidecar
	namespace, app                 string
}

func (g generator) request() asking {
	r := asking{
		path: one(g, "/", "/a", "/a/b", "/c"), method: one(g, "GET", "POST"), authority: one(g, "payments", "orders.example"),
		query: one(g, "", "1"), headers: map[string]string{}, port: one(g, int64(80), int64(8081)),
		gateway: one(g, "mesh", "shop/public"), namespace: one(g, "web", "shop"), app: one(g, "web", "checkout"),
	}
	for _, name := range []string{"x-user", "x-track"} {
		if g.sometimes(2) {
			r.headers[name] = one(g, "ada", "bob")
		}
	}
	if g.sometimes(2) {
		maps.Copy(r.headers, one(g, map[string]string{HeaderRun: testRun}, map[string]string{HeaderBaggage: "faultline-run=" + testRun}, Headers(testRun)))
	}
	return r
}

// routed returns the name of the first route that takes a request, "" for none,
// by the rules that Istio and Envoy have.
func routed(routes []any, r asking) string {
	for _, route := range routes {
		route := route.(object)
		matches := objectsAt(route, "match")
		if len(matches) == 0 || slices.ContainsFunc(matches, r.meets) {
			return at[string](route, "name")
		}
	}
	return ""
}

func (r asking) meets(m object) bool {
	if gateways := gatewaysOf(m, "shop", "gateways"); len(gateways) > 0 {
		if !slices.Contains(gateways, r.gateway) {
			return false
		}
	} else if labels := at[object](m, "sourceLabels"); labels["app"] != nil && labels["app"] != r.app ||
		m["sourceNamespace"] != nil && m["sourceNamespace"] != r.namespace {
		return false
	}
	if port := at[int64](m, "port"); port != 0 && port != r.port {
		return false
	}
	for name, condition := range at[object](m, "headers") {
		if value, found := r.headers[strings.ToLower(name)]; !found || !holds(condition, value) {
			return false
		}
	}
	for name, condition := range at[object](m, "withoutHeaders") {
		if value, found := r.headers[strings.ToLower(name)]; found && holds(condition, value) {
			return false
		}
	}
	for field, value := range map[string]string{"uri": r.path, "method": r.method, "authority": r.authority} {
		if condition := at[object](m, field); condition != nil && !holds(condition, value) {
			return false
		}
	}
	q := at[object](m, "queryParams", "q")
	return q == nil || holds(q, r.query)
}

// holds says whether a condition holds for a value that is there.
func holds(condition any, value string) bool {
	c := condition.(object)
	switch {
	case c["exact"] != nil:
		return c["exact"] == value
	case c["prefix"] != nil:
		return strings.HasPrefix(value, c["prefix"].(string))
	case c["regex"] != nil && c["regex"] != "*":
		return regexp.MustCompile("^(?:" + c["regex"].(string) + ")$").MatchString(value)
	}
	return true
}

// meant says whether a request is in the scope of a fault.
func (r asking) meant(f Fault) bool {
	switch {
	case f.From.Gateway != "" && r.gateway != f.From.Gateway,
		f.From.Namespace != "" && f.From.Namespace != r.namespace, f.From.Labels != nil && f.From.Labels["app"] != r.app,
		f.From.Gateway == "" && f.On.Port != 0 && int64(f.On.Port) != r.port:
		return false
	case f.AllTraffic:
		return true
	case len(f.Headers) > 0:
		return r.headers["x-user"] == f.Headers["x-user"]
	}
	return r.headers[HeaderRun] == testRun || r.headers[HeaderBaggage] != ""
}
