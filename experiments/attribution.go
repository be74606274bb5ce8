package experiments

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/observe"
)

// Attribution says of one hop whether it was the mesh or the application that
// gave up, or tried again, during the fault phase: the caller's sidecar, by its
// timeouts and retries, or the caller's own code, by its own.
type Attribution struct {
	Caller  string // proxy of the caller, as "Pod shop/checkout-1"
	Service string // full host name of whom it called

	// Timeouts: by the mesh, tries that a timeout of the route or of a single try
	// ended; by the application, requests that it left before there was an answer,
	// not counting those whose own caller had left.
	Timeouts Split
	// Retries: by the mesh, tries after the first of a request; by the
	// application, requests beyond those it sends for one of its own callers.
	Retries Split

	How string // what says so
}

// Split is how many there were by the mesh and by the application.
type Split struct{ Mesh, App Figure }

// Figure is a number, or why it is not known. The zero Figure is none at all.
type Figure struct {
	N       int
	Unknown string // why N does not say it; empty when it does
}

// hopLog is what a caller's access log has of the baseline and of the fault phase.
type hopLog struct {
	baseline, during []hit
	missing          string // why there is none
}

// attribute compares what the callers' proxies counted with what their access
// logs have. Only hops are told of where something timed out, failed, was left or
// tried again. It reads nothing.
func attribute(r *Report, logs map[string]hopLog) []Attribution {
	var all []Attribution
	for _, state := range r.During.Mesh.Proxies {
		log, there := logs[state.Proxy.String()]
		if !there {
			log.missing = "the access log was not read"
		}
		for _, service := range called(state) {
			h := origin{service: service, log: log, stats: state.Stats}
			h.out, h.in = sums(state, service)
			if a := h.attribution(state.Proxy.String()); a.tells(h) {
				all = append(all, a)
			}
		}
	}
	return all
}

// called are the services of which a proxy knows hosts, sorted.
func called(state observe.ProxyState) []string {
	var services []string
	for _, h := range state.Hosts {
		if h.Cluster.Direction == observe.Outbound {
			services = append(services, h.Cluster.Service)
		}
	}
	return distinct(services)
}

// sums adds up what a proxy counted toward a service, and toward its own
// application.
func sums(state observe.ProxyState, service string) (out, in observe.Host) {
	for _, h := range state.Hosts {
		into := &in
		if h.Cluster.Direction == observe.Outbound {
			if h.Cluster.Service != service {
				continue
			}
			into = &out
		}
		into.Requests += h.Requests
		into.Success += h.Success
		into.Errors += h.Errors
		into.Timeouts += h.Timeouts
		into.FailedConnects += h.FailedConnects
		into.Active += h.Active
	}
	return out, in
}

// left is how many tries had neither an answer nor an error: whoever asked went
// away. Those still on their way are not among them.
func left(h observe.Host) int {
	ended := h.Success + h.Errors + h.Active
	if h.FailedConnects > 0 || h.Requests < ended {
		return 0 // tries without a connection are errors and not requests
	}
	return int(h.Requests - ended)
}

// tells reports whether there is anything to tell: something happened, or may have.
func (a Attribution) tells(h origin) bool {
	if a.Timeouts.App.Unknown+a.Retries.Mesh.Unknown+a.Retries.App.Unknown != "" && (h.out.Errors > 0 || left(h.out) > 0) {
		return true
	}
	return a.Timeouts.Mesh.N+a.Timeouts.App.N+a.Retries.Mesh.N+a.Retries.App.N > 0
}

// String says it in one line.
func (a Attribution) String() string {
	name := strings.TrimSuffix(a.Service, ".svc.cluster.local")
	return fmt.Sprintf("%s to %s: timeouts %s; retries %s (%s)", a.Caller, name, a.Timeouts, a.Retries, a.How)
}

// String says who, and how many.
func (s Split) String() string {
	return "by the mesh " + s.Mesh.String() + ", by the application " + s.App.String()
}

// String returns the number, or that it is not known.
func (f Figure) String() string {
	if f.Unknown != "" {
		return "not known: " + f.Unknown
	}
	return fmt.Sprint(f.N)
}

// within returns the hits of a phase.
func within(hits []hit, p Phase) []hit {
	from := p.From.Truncate(time.Millisecond) // as logs have it
	return slices.DeleteFunc(slices.Clone(hits), func(h hit) bool { return h.at.Before(from) || h.at.After(p.To) })
}
