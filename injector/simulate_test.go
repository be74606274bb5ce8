package injector

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

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
