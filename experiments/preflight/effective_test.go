package preflight

import (
	"strings"
	"testing"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
)

// hopsText is the policy of each hop of a fault on payments.
func hopsText(w World, from injector.Callers) string {
	f := abort(injector.Upstream, 503, 100, 1)
	if f.From = from; from.String() != "" {
		f.Site = injector.Caller
	}
	var lines []string
	for _, h := range Check(Question{Faults: []injector.Fault{f}}, w).Hops {
		lines = append(lines, h.String())
	}
	return strings.Join(lines, "\n")
}

func TestPolicyOfAHop(t *testing.T) {
	const outlier = `trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5, interval: 1s, baseEjectionTime: 3s, maxEjectionPercent: 50}}`
	for _, test := range []struct {
		name    string
		objects []string
		from    injector.Callers
		want    string
	}{
		{
			"nothing written", nil,
			injector.Callers{},
			"callers in shop → payments:80: no timeout; retries 2 on connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes (Istio's default); no ejection; no VirtualService",
		},
		{
			"timeout, retries and ejection",
			[]string{
				virtualServiceYAML("payments", "timeout: 2s\nretries: {attempts: 2, perTryTimeout: 500ms, retryOn: \"5xx,409\"}"),
				ruleYAML("payments", outlier),
			},
			injector.Callers{},
			"callers in shop → payments:80: timeout 2s; retries 2 × 500ms on 5xx,409; ejection after 5 × 5xx in a row, at most 1 of 3 hosts, for 3s and up to 1s more; VirtualService shop/payments, DestinationRule shop/payments",
		},
		{
			"Istio's defaults of an empty block",
			[]string{ruleYAML("payments", "trafficPolicy: {outlierDetection: {consecutiveGatewayErrors: 3}}")},
			injector.Callers{},
			"callers in shop → payments:80: no timeout; retries 2 on connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes (Istio's default); ejection after 5 × 5xx or 3 × 502-504 in a row, but never: 10% of 3 hosts is none, for 30s and up to 10s more; no VirtualService, DestinationRule shop/payments",
		},
		{
			"attempts 0 means none",
			[]string{virtualServiceYAML("payments", "retries: {attempts: 0}")},
			injector.Callers{},
			"callers in shop → payments:80: no timeout; no retries; no ejection; VirtualService shop/payments",
		},
		{
			"the oldest of two VirtualServices",
			[]string{
				born(virtualServiceYAML("b", "timeout: 2s"), "2026-01-01T00:00:00Z"), born(virtualServiceYAML("a", "timeout: 1s"), "2026-01-02T00:00:00Z"),
			},
			injector.Callers{},
			"callers in shop → payments:80: timeout 2s; retries 2 on connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes (Istio's default); no ejection; VirtualService shop/b",
		},
		{
			"a subset's block replaces the service's",
			[]string{
				virtualServiceYAML("payments", "timeout: 2s\nretries: {attempts: 0}\nroute: [{destination: {host: payments, subset: v1}, weight: 90}, {destination: {host: payments, subset: v2}, weight: 10}]"),
				ruleYAML("payments", outlier+"\nsubsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 2}}}]"),
			},
			injector.Callers{},
			"callers in shop → payments:80: timeout 2s; no retries; 90% to subset v1: ejection after 5 × 5xx in a row, at most 1 of 2 hosts, for 3s and up to 1s more; " +
				"10% to subset v2: ejection after 2 × 5xx in a row, but never: 10% of 1 host is none, for 30s and up to 10s more; VirtualService shop/payments, DestinationRule shop/payments",
		},
		{
			"a port's block replaces all of the service's",
			[]string{
				virtualServiceYAML("payments", "retries: {attempts: 0}"),
				ruleYAML("payments", outlier+"\n#\n"), ruleYAML("port", "trafficPolicy: {portLevelSettings: [{port: {number: 80}}]}"),
			},
			injector.Callers{},
			"callers in shop → payments:80: no timeout; no retries; ejection after 5 × 5xx in a row, at most 1 of 3 hosts, for 3s and up to 1s more; VirtualService shop/payments, DestinationRule shop/payments, DestinationRule shop/port",
		},
		{
			"a missing subset",
			[]string{virtualServiceYAML("payments", "retries: {attempts: 0}\nroute: [{destination: {host: payments, subset: v9}}]")},
			injector.Callers{},
			"callers in shop → payments:80: no timeout; no retries; to subset v9: the subset does not exist, so 503; VirtualService shop/payments",
		},
		{
			"callers elsewhere do not see what is exported to its own namespace",
			[]string{
				virtualServiceYAML("payments", "timeout: 2s\nretries: {attempts: 0}"), ruleYAML("payments", outlier+"\nexportTo: [\".\"]"),
			},
			injector.Callers{Namespace: "web"},
			"callers in web → payments:80: timeout 2s; no retries; no ejection; VirtualService shop/payments",
		},
		{
			"the caller's own DestinationRule comes before the service's",
			[]string{
				ruleYAML("payments", outlier), strings.ReplaceAll(strings.ReplaceAll(ruleYAML("mine", "trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}"),
					"namespace: shop", "namespace: web"), "host: payments", "host: payments.shop.svc.cluster.local"),
			},
			injector.Callers{Namespace: "web"},
			"callers in web → payments:80: no timeout; retries 2 on connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes (Istio's default); no ejection; maxConnections 7; no VirtualService, DestinationRule web/mine",
		},
		{
			"a workload selector picks callers",
			[]string{
				virtualServiceYAML("payments", "retries: {attempts: 0}"),
				ruleYAML("payments", outlier), ruleYAML("checkout", "workloadSelector: {matchLabels: {app: checkout}}\ntrafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}"),
			},
			injector.Callers{Namespace: "shop", Labels: map[string]string{"app": "checkout"}},
			"callers in shop with app=checkout → payments:80: no timeout; no retries; no ejection; maxConnections 7; VirtualService shop/payments, DestinationRule shop/checkout",
		},
		{
			"a delegate has the routes",
			[]string{
				`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: shop}
spec: {hosts: [payments], http: [{name: a, timeout: 3s, delegate: {name: child}}]}`,
				`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: child, namespace: shop}
spec: {http: [{name: b, retries: {attempts: 0}, route: [{destination: {host: payments}}]}]}`,
			},
			injector.Callers{},
			"callers in shop → payments:80: timeout 3s; no retries; no ejection; VirtualService shop/child",
		},
		{
			"routes behind one that takes all are not there",
			[]string{
				`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: payments, namespace: shop}
spec:
  hosts: [payments]
  http:
  - {name: slow, match: [{uri: {prefix: /slow}}], retries: {attempts: 0}, route: [{destination: {host: payments}}]}
  - {match: [{uri: {prefix: /}}], timeout: 1s, retries: {attempts: 0}, route: [{destination: {host: payments}}]}
  - {name: never, route: [{destination: {host: payments}}]}`,
			},
			injector.Callers{},
			"callers in shop → payments:80:\n  route slow: no timeout; no retries; no ejection; VirtualService shop/payments\n  route 2: timeout 1s; no retries; no ejection; VirtualService shop/payments",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := hopsText(shopWorld(t, test.objects...), test.from); got != test.want {
				t.Errorf("found\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// born gives an object an age.
func born(document, at string) string {
	return strings.Replace(document, "metadata: {", "metadata: {creationTimestamp: \""+at+"\", ", 1)
}

func TestWhatTheMeshSaysForAll(t *testing.T) {
	w := shopWorld(t)
	w.Mesh = meshConfig(t, "defaultHttpRetryPolicy: {attempts: 1, retryOn: 5xx}\ndefaultTrafficPolicy: {outlierDetection: {consecutive5xxErrors: 7}}")
	const want = "callers in shop → payments:80: no timeout; retries 1 on 5xx (meshConfig.defaultHttpRetryPolicy); " +
		"ejection after 7 × 5xx in a row, but never: 10% of 3 hosts is none, for 30s and up to 10s more; no VirtualService"
	if got := hopsText(w, injector.Callers{}); got != want {
		t.Errorf("found\n%s\nwant\n%s", got, want)
	}
}

func TestSidecarsDecideWhoSees(t *testing.T) {
	sidecar := func(name, spec string) string {
		return "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: " + name + ", namespace: shop}\nspec: " + spec
	}
	route := virtualServiceYAML("payments", "timeout: 2s\nretries: {attempts: 0}")
	far := strings.ReplaceAll(strings.ReplaceAll(route, "namespace: shop", "namespace: web"), "hosts: [payments]", "hosts: [payments.shop.svc.cluster.local]")
	const with, without = "callers in shop → payments:80: timeout 2s; no retries; no ejection; ",
		"callers in shop → payments:80: no timeout; retries 2 on connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes (Istio's default); no ejection; no VirtualService"
	for _, test := range []struct {
		name    string
		objects []string
		want    string
	}{
		{"all hosts", []string{route, sidecar("a", `{egress: [{hosts: ["*/*"]}]}`)}, with + "VirtualService shop/payments"},
		{"its own namespace", []string{route, sidecar("a", `{egress: [{hosts: ["./*"]}]}`)}, with + "VirtualService shop/payments"},
		{"another namespace only", []string{route, sidecar("a", `{egress: [{hosts: ["istio-system/*"]}]}`)}, ""},
		{"all but payments", []string{route, sidecar("a", `{egress: [{hosts: ["*/*", "~/payments.shop.svc.cluster.local"]}]}`)}, ""},
		{"the service, and not the namespace of its routes", []string{far, sidecar("a", `{egress: [{hosts: ["shop/*"]}]}`)}, without},
		{"both", []string{far, sidecar("a", `{egress: [{hosts: ["shop/*", "web/*"]}]}`)}, strings.Replace(with, "; no ejection; ", "; to payments.web.svc.cluster.local: no ejection; ", 1)},
		{"a listener of another port", []string{route, sidecar("a", `{egress: [{port: {number: 81, protocol: HTTP, name: http}, hosts: ["*/*"]}]}`)}, ""},
		{"one for a workload", []string{
			route, podYAML("web-0", "web", "v1"), sidecar("a", `{egress: [{hosts: ["./*"]}]}`),
			sidecar("b", `{workloadSelector: {labels: {app: checkout}}, egress: [{hosts: ["shop/*"]}]}`),
		}, with + "VirtualService shop/payments"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := hopsText(shopWorld(t, test.objects...), injector.Callers{})
			if test.want == "" && got != "" || !strings.HasPrefix(got, strings.Split(test.want, "; to payments.web")[0]) {
				t.Errorf("found\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestTheWayInIsAHop(t *testing.T) {
	w := shopWorld(t, `
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, ports: [{name: http2, port: 80}]}`, `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: shop}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example]}]}`, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: public, namespace: shop}
spec: {hosts: [shop.example], gateways: [public], http: [{timeout: 10s, route: [{destination: {host: checkout}}]}]}`)
	q := Question{Gateway: "istio-system/istio-ingressgateway", Load: loadgen.Load{URL: "http://shop.example/checkout"}}
	hops := Check(q, w).Hops
	const want = "gateway shop/public → checkout:80: timeout 10s; retries 2 on connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes (Istio's default); no ejection; VirtualService shop/public"
	if len(hops) != 1 || hops[0].String() != want {
		t.Errorf("found\n%v\nwant\n%s", hops, want)
	}
	q.Load.URL = "http://other.example/"
	if hops := Check(q, w).Hops; len(hops) != 0 {
		t.Errorf("found %v for a host that nobody serves", hops)
	}
}
