package preflight

import (
	"strings"
	"testing"

	"github.com/faultline-mesh/faultline/loadgen"
)

const ingress = `
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, ports: [{name: http2, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: shop}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example]}]}`

// entering lets the load come by the ingress gateway.
func entering(q *Question) {
	q.Gateway, q.Load = "istio-system/istio-ingressgateway", loadgen.Load{URL: "http://shop.example/checkout"}
}

func TestSecondVirtualService(t *testing.T) {
	tryMistakes(t, "second-virtual-service", []mistakeCase{
		{"the older counts", []string{born(virtualServiceYAML("a", "timeout: 1s"), "2026-02-01T00:00:00Z"), born(virtualServiceYAML("b", "timeout: 2s"), "2026-01-01T00:00:00Z")}, nil, `VirtualService shop/a: has routes for payments.shop.svc.cluster.local, as has VirtualService shop/b: for callers in shop only those of the latter count, which is older, or nearer to them. Nothing of this one applies, and nobody says so. Put the routes into one VirtualService.`},
		{"the first leaves callers to the second", []string{virtualServiceYAML("a", "match: [{sourceLabels: {app: nobody}}]"), virtualServiceYAML("b", "timeout: 2s")}, nil, ``},
		{"one for a gateway, one for the mesh", []string{virtualServiceYAML("a", "timeout: 1s"), virtualServiceYAML("b", "timeout: 2s") + "\n  gateways: [public]"}, nil, ``},
		{"one that callers do not see", []string{virtualServiceYAML("a", "timeout: 1s"), virtualServiceYAML("b", "timeout: 2s") + "\n  exportTo: [web]"}, nil, ``},
		{"one", []string{virtualServiceYAML("a", "timeout: 1s")}, nil, ``},
	})
}

func TestBoundElsewhere(t *testing.T) {
	public := strings.Replace(virtualServiceYAML("public", ""), "hosts: [payments]", "hosts: [shop.example]", 1)
	tryMistakes(t, "bound-elsewhere", []mistakeCase{
		{"a host of the mesh at a gateway only", []string{virtualServiceYAML("a", "timeout: 1s") + "\n  gateways: [public]"}, nil, `VirtualService shop/a: names payments.shop.svc.cluster.local, by which the mesh itself calls the service, and is bound to gateway public only: sidecars do not use its routes, so that callers in shop have nothing of what it says. Add mesh to its gateways.`},
		{"at both", []string{virtualServiceYAML("a", "timeout: 1s") + "\n  gateways: [public, mesh]"}, nil, ``},
		{"each has its own", []string{virtualServiceYAML("a", "timeout: 1s") + "\n  gateways: [public]", virtualServiceYAML("b", "timeout: 1s")}, nil, ``},
		{"the mesh has routes for TCP", []string{virtualServiceYAML("a", "timeout: 1s") + "\n  gateways: [public]", `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: b, namespace: shop}
spec: {hosts: [payments], tcp: [{route: [{destination: {host: payments}}]}]}`}, nil, ``},
		{"a host of the world", []string{public + "\n  gateways: [public]"}, nil, ``},
		{"the way in, bound to no gateway", []string{ingress, public}, entering, `VirtualService shop/public: has routes for shop.example, where the load enters, and is bound to no Gateway: only sidecars use them, and Gateway shop/public, which serves that host, answers 404. Add shop/public to its gateways.`},
		{"the way in", []string{ingress, public + "\n  gateways: [public]"}, entering, ``},
	})
}
