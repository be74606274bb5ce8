package injector

import (
	"fmt"
	"strings"
)

// servicePort is one port of a Service.
type servicePort struct {
	number int64
	name   string
	target any  // int64, the name of a container port, or nil: same as number
	http   bool // the Service declares it HTTP, so proxies see its requests
}

// String returns the port as people write it: "80 (http)".
func (p servicePort) String() string {
	if p.name == "" {
		return fmt.Sprintf("%d (unnamed)", p.number)
	}
	return fmt.Sprintf("%d (%s)", p.number, p.name)
}

// portsOf returns the ports of a Service or a ServiceEntry.
func portsOf(service object) []servicePort {
	var ports []servicePort
	for _, p := range objectsAt(service, "spec", "ports") {
		if service["kind"] == kindServiceEntry {
			ports = append(ports, servicePort{
				number: at[int64](p, "number"), name: at[string](p, "name"), http: speaksHTTP(at[string](p, "protocol"), false),
			})
			continue
		}
		appProtocol, declared := p["appProtocol"].(string)
		if !declared {
			appProtocol = at[string](p, "name")
		}
		ports = append(ports, servicePort{
			number: at[int64](p, "port"),
			name:   at[string](p, "name"),
			target: p["targetPort"],
			http:   at[string](p, "protocol") != "UDP" && speaksHTTP(appProtocol, declared),
		})
	}
	return ports
}

// speaksHTTP reads an appProtocol, or else a port's name, as Istio does: the
// part before the first hyphen counts, in any case. Names it does not know are
// left to sniffing, which decides by connection, too late to plan with.
func speaksHTTP(protocol string, isAppProtocol bool) bool {
	protocol = strings.ToLower(protocol)
	if isAppProtocol && (protocol == "kubernetes.io/h2c" || protocol == "kubernetes.io/ws") {
		return true
	}
	protocol, _, _ = strings.Cut(protocol, "-")
	switch protocol {
	case "http", "http2", "grpc", "http_proxy":
		return true
	}
	return false
}

// faultedPorts returns the ports of a Service that a fault is on: the one asked
// for, or with 0 every HTTP port. The error says what would be right.
func faultedPorts(service object, asked int) ([]servicePort, error) {
	var http []servicePort
	var known, others []string
	for _, p := range portsOf(service) {
		known = append(known, p.String())
		switch {
		case asked != 0 && p.number != int64(asked):
		case p.http:
			http = append(http, p)
		default:
			others = append(others, p.String())
		}
	}
	switch {
	case len(http) > 0:
		return http, nil
	case len(others) > 0:
		declare := "name it http-… or set appProtocol: http"
		if service["kind"] == kindServiceEntry {
			declare = "set its protocol to HTTP"
		}
		return nil, fmt.Errorf("port %s is not declared HTTP, so proxies do not tell its requests apart: if it is HTTP, %s",
			strings.Join(others, ", "), declare)
	case len(known) > 0:
		return nil, fmt.Errorf("the service has no port %d; it has %s", asked, strings.Join(known, ", "))
	}
	return nil, fmt.Errorf("the service has no ports")
}
