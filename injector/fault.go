package injector

import (
	"fmt"
	"strings"
)

// Service names what a fault is on. The zero Service is invalid.
type Service struct {
	Namespace string // required
	Name      string // name of the Kubernetes Service; required
	Port      int    // service port; 0 means every HTTP port of the service
	Subset    string // subset of a DestinationRule; empty means the whole service
}

// String returns namespace/name, with port and subset where they are set.
func (s Service) String() string {
	out := s.Namespace + "/" + s.Name
	if s.Port != 0 {
		out += fmt.Sprintf(":%d", s.Port)
	}
	if s.Subset != "" {
		out += " subset " + s.Subset
	}
	return out
}

// host returns the name under which Istio knows the service.
func (s Service) host(domain string) string {
	return s.Name + "." + s.Namespace + ".svc." + domain
}

// Fault is one failure: an effect, on a service, made at a site, for a scope
// of requests. It is plain data; the zero Fault is invalid. Only requests that
// carry the run's header meet it, unless AllTraffic is set.
type Fault struct {
	On     Service
	Effect Effect // required
	Site   Site   // required: there is no default, because it decides what is tested

	// Pods is on how many pods of the service an Upstream fault is made, the
	// first by name; 0 means all of them. It must be 0 at the Caller site.
	Pods int

	// Ramp are percentages that come before the effect's own, each for an equal
	// part of the fault phase, rising. Only effects with a Percent have one.
	Ramp []float64

	// AllTraffic lets every request meet the fault, not only the run's own.
	// It needs BlastRadius.AllTraffic.
	AllTraffic bool
}

// String says the fault in a few words, such as
// "abort 503 on 100% at the upstream of shop/payments".
func (f Fault) String() string {
	var text strings.Builder
	fmt.Fprint(&text, f.Effect)
	for _, percent := range f.Ramp {
		fmt.Fprintf(&text, " after %v%%", percent)
	}
	fmt.Fprintf(&text, " at the %s of %s", f.Site, f.On)
	return text.String()
}
