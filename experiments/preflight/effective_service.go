package preflight

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/faultline-mesh/faultline/injector"
)

// Service is what a caller calls: a Service, or one host of a ServiceEntry.
type Service struct {
	Namespace, Name string // of the object
	Host            string // under which the mesh knows it, such as "payments.shop.svc.cluster.local"
	Ports           []Port

	entry    *networkingv1.ServiceEntry // nil for a Service
	selector map[string]string          // of its pods; none: its hosts are not known
	exportTo []string
}

// Port is one port of a service.
type Port struct {
	Number   int
	Name     string
	Protocol string // as declared, in upper case, such as "HTTP" or "TCP"; empty: the mesh has to guess
}

// HTTP reports whether the port is declared to speak something whose requests
// proxies can tell apart.
func (p Port) HTTP() bool {
	return slices.Contains([]string{"HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY"}, p.Protocol)
}

// Object names what the service is made of: "Service shop/payments".
func (s Service) Object() string {
	if s.entry != nil {
		return "ServiceEntry " + s.Namespace + "/" + s.Name
	}
	return "Service " + s.Namespace + "/" + s.Name
}

// String returns how people call it: "payments" for a Service, else its host.
func (s Service) String() string {
	if s.entry != nil {
		return s.Host
	}
	return s.Name
}

// port returns the port of a number.
func (s Service) port(number int) (Port, bool) {
	i := slices.IndexFunc(s.Ports, func(p Port) bool { return p.Number == number })
	if i < 0 {
		return Port{}, false
	}
	return s.Ports[i], true
}

func (c *check) indexServices() {
	for _, entry := range c.ServiceEntries {
		for _, host := range entry.Spec.GetHosts() {
			s := &Service{
				Namespace: entry.Namespace, Name: entry.Name, Host: strings.ToLower(host), entry: entry,
				selector: entry.Spec.GetWorkloadSelector().GetLabels(), exportTo: entry.Spec.GetExportTo(),
			}
			for _, p := range entry.Spec.GetPorts() {
				s.Ports = append(s.Ports, Port{int(p.GetNumber()), p.GetName(), protocolOf(p.GetProtocol(), false)})
			}
			c.services[s.Host] = s
		}
	}
	for _, svc := range c.Services { // before ServiceEntries of the same host
		s := &Service{
			Namespace: svc.Namespace, Name: svc.Name, Host: svc.Name + "." + svc.Namespace + ".svc." + c.Domain,
			selector: svc.Spec.Selector,
		}
		if written := svc.Annotations["networking.istio.io/exportTo"]; written != "" {
			for part := range strings.SplitSeq(written, ",") {
				s.exportTo = append(s.exportTo, strings.TrimSpace(part))
			}
		}
		for _, p := range svc.Spec.Ports {
			s.Ports = append(s.Ports, Port{int(p.Port), p.Name, declared(p)})
		}
		c.services[s.Host] = s
	}
}

// declared returns what a Service says a port speaks.
func declared(p corev1.ServicePort) string {
	switch {
	case p.Protocol == corev1.ProtocolUDP:
		return "UDP"
	case p.AppProtocol != nil:
		return protocolOf(*p.AppProtocol, true)
	}
	return protocolOf(p.Name, false)
}

// protocolOf reads a protocol, or a port's name, as Istio does: what is before the
// first hyphen counts.
func protocolOf(text string, isAppProtocol bool) string {
	text = strings.ToLower(text)
	if isAppProtocol && (text == "kubernetes.io/h2c" || text == "kubernetes.io/ws") {
		return "HTTP"
	}
	if strings.HasPrefix(text, "grpc-web") {
		return "GRPC-WEB"
	}
	first, _, _ := strings.Cut(text, "-")
	if slices.Contains([]string{"http", "http2", "grpc", "http_proxy", "https", "tls", "tcp", "mongo", "mysql", "redis", "udp"}, first) {
		return strings.ToUpper(first)
	}
	return ""
}

// faulted returns the service that a fault is on, and its ports that are meant;
// none when the mesh has no such service.
func (c *check) faulted(on injector.Service) (*Service, []Port) {
	host := strings.ToLower(on.Host)
	if host == "" {
		host = on.Name + "." + on.Namespace + ".svc." + c.Domain
	}
	s := c.services[host]
	if s == nil {
		return nil, nil
	}
	var ports []Port
	for _, p := range s.Ports {
		if p.Number == on.Port || on.Port == 0 && p.HTTP() {
			ports = append(ports, p)
		}
	}
	return s, ports
}

// named returns the services that a matcher names, as proxies' clusters are
// named: "payments", "payments.shop" or in full. A short name is taken for one
// of the namespaces of the experiment's faults when there is one.
func (c *check) named(service string) []*Service {
	if s := c.services[strings.ToLower(service)]; s != nil {
		return []*Service{s}
	}
	var near, far []*Service
	for _, namespace := range c.namespaces() {
		if s := c.services[service+"."+namespace+".svc."+c.Domain]; s != nil {
			near = append(near, s)
		}
	}
	if len(near) > 0 {
		return near
	}
	for host, s := range c.services {
		if s.entry == nil && strings.HasPrefix(host, service+".") {
			far = append(far, s)
		}
	}
	slices.SortFunc(far, func(a, b *Service) int { return strings.Compare(a.Host, b.Host) })
	return far
}

// namespaces are those of the experiment's faults, and of its gateway's routes.
func (c *check) namespaces() []string {
	var all []string
	for _, f := range c.Faults {
		all = append(all, f.On.Namespace)
	}
	for _, g := range c.entries() {
		for _, vs := range g.routes {
			all = append(all, vs.Namespace)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// portOf returns the number of the port that a destination leads to.
func (c *check) portOf(d *networking.Destination, host string, listener int) int {
	if number := d.GetPort().GetNumber(); number != 0 {
		return int(number)
	}
	if s := c.services[host]; s != nil && len(s.Ports) == 1 {
		return s.Ports[0].Number
	}
	return listener
}

// String returns the port as people write it: "80 (http)".
func (p Port) String() string {
	if p.Name == "" {
		return fmt.Sprintf("%d (unnamed)", p.Number)
	}
	return fmt.Sprintf("%d (%s)", p.Number, p.Name)
}
