package preflight

import (
	"strings"
	"testing"

	"github.com/faultline-mesh/faultline/internal/claim"
)

func TestPortNotHTTP(t *testing.T) {
	claims := func(q *Question) {
		q.Faults, q.Claims = nil, []Claimed{during(claim.Claim{Kind: claim.Tries, Service: "payments"})}
	}
	ports := func(list string) string {
		return strings.Replace(serviceYAML("payments"), "{name: http, port: 80}", list, 1)
	}
	tryMistakes(t, "port-not-http", []mistakeCase{
		{"tcp", []string{ports("{name: tcp-api, port: 80}")}, claims, `Service shop/payments: port 80 (tcp-api) is declared TCP: proxies pass on its connections and see no requests, so that no route, timeout, retry or fault for HTTP applies, and a host is ejected for failed connections only. If it speaks HTTP, name the port http or http-…, or set its appProtocol: http.`},
		{"by appProtocol", []string{ports("{name: http, port: 80, appProtocol: mongo}")}, claims, `Service shop/payments: port 80 (http) is declared MONGO: proxies pass on its connections and see no requests, so that no route, timeout, retry or fault for HTTP applies, and a host is ejected for failed connections only. If it speaks HTTP, name the port http or http-…, or set its appProtocol: http.`},
		{"sniffed", []string{ports("{name: api, port: 80}")}, claims, ``},
		{"beside an HTTP port", []string{ports("{name: http, port: 80}, {name: tcp-metrics, port: 9000}")}, claims, ``},
		{"beside an HTTP port, and routed to", []string{
			ports("{name: http, port: 80}, {name: tcp-api, port: 9000}"),
			virtualServiceYAML("payments", "match: [{port: 9000}]\ntimeout: 1s"),
		}, claims, `Service shop/payments: port 9000 (tcp-api) is declared TCP: proxies pass on its connections and see no requests, so that no route, timeout, retry or fault for HTTP applies, and a host is ejected for failed connections only. If it speaks HTTP, name the port http or http-…, or set its appProtocol: http.`},
		{"gRPC", []string{ports("{name: grpc, port: 80}")}, claims, ``},
	})
}
