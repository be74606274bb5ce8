package injector

import (
	"fmt"
	"strings"
)

// Service names what a fault is on. The zero Service is invalid.
type Service struct {
	Namespace string // of the Service, or of the ServiceEntry; required
	Name      string // name of the Kubernetes Service; required unless there is Host
	Host      string // host of a ServiceEntry, in place of Name; at the Caller site only
	Port      int    // service port; 0 means every HTTP port of the service
	Subset    string // subset of a DestinationRule; empty means the whole service
}

// String returns namespace/name, with port and subset where they are set.
func (s Service) String() string {
	out := s.Namespace + "/" + s.Name + s.Host
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
	if s.Host != "" {
		return strings.ToLower(s.Host)
	}
	return s.Name + "." + s.Namespace + ".svc." + domain
}

// Fault is one failure: an effect, on a service, made at a site, for a scope
// of requests. It is plain data; the zero Fault is invalid. Only requests that
// carry the run's header meet it, unless Headers or AllTraffic say otherwise.
type Fault struct {
	On     Service
	Effect Effect // required
	Site   Site   // required: there is no default, because it decides what is tested

	// From are the callers whose requests meet a Caller fault; the zero value
	// means all of them. At the Upstream site requests do not tell whose they
	// are, and it must be zero.
	From Callers

	// Headers are what a request must carry, each with exactly this value, to
	// meet the fault: these in place of the run's own. Names are
	// case-insensitive. Whoever sends them meets the fault.
	Headers map[string]string

	// Ramp are percentages that come before the effect's own, each for an equal
	// part of the fault phase, rising. Only effects with a Percent have one.
	Ramp []float64

	// AllTraffic lets every request meet the fault, not only the run's own.
	// It needs BlastRadius.AllTraffic, and leaves no room for Headers.
	AllTraffic bool

	// On how many pods of the service an Upstream fault is made: a number, the
	// first by name; a percentage of those that are running, rounded up; or
	// these very pods. Zero values mean all of them, and at most one may be set.
	// They must be zero at the Caller site.
	Pods        int
	PodsPercent float64 // above 0 and up to 100
	PodNames    []string
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
	if from := f.From.String(); from != "" {
		text.WriteString(" from " + from)
	}
	return text.String()
}
