package preflight

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/faultline-mesh/faultline/injector"
)

// sidecarOf returns the Sidecar that rules the proxies of a caller, or nil: one
// of its namespace that selects it, else one of its namespace that selects
// nobody in particular, else one of the root namespace. The oldest wins. Gateways
// have none.
//
// Source: pilot/pkg/model/push_context.go (doGetSidecarScope) of Istio.
func (c *check) sidecarOf(from Caller) *networkingv1.Sidecar {
	if from.Gateway != "" {
		return nil
	}
	var best *networkingv1.Sidecar
	bestRank := 0
	for _, s := range c.Sidecars {
		at := c.nearness(s, from)
		if at > bestRank || at > 0 && at == bestRank && older(s, best) < 0 {
			best, bestRank = s, at
		}
	}
	return best
}

// nearness says how near a Sidecar is to a caller: 0 is not his, 3 is meant for
// him.
func (c *check) nearness(s *networkingv1.Sidecar, from Caller) int {
	selects := s.Spec.GetWorkloadSelector().GetLabels()
	switch {
	case len(selects) > 0 && (s.Namespace != from.Namespace || from.Labels == nil || !matches(selects, from.Labels)):
		return 0
	case len(selects) > 0:
		return 3
	case s.Namespace == from.Namespace:
		return 2
	case s.Namespace == c.Root:
		return 1
	}
	return 0
}

// scope is what a Sidecar lets its proxies know. The zero scope lets them know
// everything.
type scope struct {
	sidecar   *networkingv1.Sidecar
	namespace string // of the caller, which "." stands for
}

// reaches says whether proxies know a service at a port by what an egress
// listener names. (That of a VirtualService's destinations they know in any
// case.)
func (s scope) reaches(to *Service, port int) bool {
	return s.some(port, func(hosts []string) bool {
		return s.imports(hosts, to.Namespace, func(host string) bool { return injector.HostMatches(host, to.Host) })
	})
}

// sees says whether proxies have the routes of a VirtualService at a port.
func (s scope) sees(namespace string, hosts []string, port int) bool {
	return s.some(port, func(egress []string) bool {
		return slices.ContainsFunc(hosts, func(of string) bool {
			return s.imports(egress, namespace, func(host string) bool { return injector.HostMatches(host, of) || injector.HostMatches(of, host) })
		})
	})
}

// some says whether a listener for the port, or for every port, has hosts that
// will do.
func (s scope) some(port int, do func(hosts []string) bool) bool {
	listeners := s.egress()
	if len(listeners) == 0 {
		return true
	}
	return slices.ContainsFunc(listeners, func(l *networking.IstioEgressListener) bool {
		number := int(l.GetPort().GetNumber())
		anyPort := number == 0 || strings.EqualFold(l.GetPort().GetProtocol(), "HTTP_PROXY")
		return (anyPort || number == port) && do(l.GetHosts())
	})
}

// imports says whether a listener's hosts name one, of a namespace, that will do,
// and none excludes it.
func (s scope) imports(hosts []string, namespace string, do func(host string) bool) bool {
	found := false
	for _, written := range hosts {
		where, host, ok := strings.Cut(written, "/")
		if !ok {
			continue
		}
		where, excludes := strings.CutPrefix(where, "~")
		if excludes && where == "" {
			if host == "*" {
				continue // "~/*": no namespace at all
			}
			where = "*"
		}
		if where == "." {
			where = s.namespace
		}
		if where != "*" && where != namespace || !do(strings.ToLower(host)) {
			continue
		}
		if excludes {
			return false
		}
		found = true
	}
	return found
}

func (s scope) egress() []*networking.IstioEgressListener {
	if s.sidecar == nil {
		return nil
	}
	return s.sidecar.Spec.GetEgress()
}
