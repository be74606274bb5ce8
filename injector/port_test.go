package injector

import (
	"fmt"
	"strings"
	"testing"
)

func TestFaultedPorts(t *testing.T) {
	tests := map[string]struct {
		ports string
		asked int
		want  string // the ports, or part of the refusal
	}{
		"the only one":                  {"{name: http, port: 80}", 0, "[80 (http)]"},
		"with a suffix, in capitals":    {"{name: HTTP2-api, port: 80}", 0, "[80 (HTTP2-api)]"},
		"grpc-web":                      {"{name: grpc-web, port: 80}", 0, "[80 (grpc-web)]"},
		"appProtocol":                   {"{name: x, appProtocol: http, port: 80}", 0, "[80 (x)]"},
		"appProtocol of Kubernetes":     {"{appProtocol: kubernetes.io/h2c, port: 80}", 80, "[80 (unnamed)]"},
		"appProtocol rules the name":    {"{name: http, appProtocol: tcp, port: 80}", 0, "port 80 (http) is not declared HTTP"},
		"TLS is not HTTP to a proxy":    {"{name: https, port: 443}", 0, "port 443 (https) is not declared HTTP"},
		"a name that begins like it":    {"{name: httpish, port: 80}", 0, "port 80 (httpish) is not declared HTTP"},
		"no name, even on port 80":      {"{port: 80}", 0, "port 80 (unnamed) is not declared HTTP, so proxies do not tell its requests apart: if it is HTTP, name it http-… or set appProtocol: http"},
		"UDP":                           {"{name: http, protocol: UDP, port: 80}", 0, "port 80 (http) is not declared HTTP"},
		"every HTTP one of several":     {"{name: http, port: 80}, {name: tcp, port: 81}, {name: grpc, port: 82}", 0, "[80 (http) 82 (grpc)]"},
		"the one asked for":             {"{name: http, port: 80}, {name: grpc, port: 82}", 82, "[82 (grpc)]"},
		"one that is not there":         {"{name: http, port: 80}, {port: 81}", 90, "the service has no port 90; it has 80 (http), 81 (unnamed)"},
		"asked for one that is not":     {"{name: http, port: 80}, {name: tcp, port: 81}", 81, "port 81 (tcp) is not declared HTTP"},
		"none of several":               {"{name: tcp, port: 80}, {name: mysql, port: 81}", 0, "port 80 (tcp), 81 (mysql) is not declared"},
		"no ports at all":               {"", 0, "the service has no ports"},
		"a name where a protocol looms": {"{name: kubernetes.io/h2c, port: 80}", 0, "not declared HTTP"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			service := decodeOne(t, "{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {ports: ["+test.ports+"]}}")
			ports, err := faultedPorts(service.Object, test.asked)
			got := fmt.Sprint(ports)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}
