package experiments

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// Placement says whether the load of a phase passed where a fault is made: at
// the Caller site on the way to the service, at the Upstream site into its pods.
// Requests that a fault answered itself, as an abort does, did not pass.
type Placement struct {
	Fault    string   // as in Evidence
	Hop      string   // such as "to shop/payments" or "into pods of shop/payments"
	Knowing  int      // proxies that make the fault, if requests come by
	Requests int      // that passed them all; each try of a request counts, and so do requests of others
	Share    float64  // Requests for each request of the load; 0 without load
	Proxies  []Placed // those that requests passed, the most first
}

// Placed is how many requests passed one proxy on the hop of a fault.
type Placed struct {
	Proxy    string // as "Pod namespace/name"
	Requests int
}

// hop is where one fault is made.
type hop struct {
	index    int // among the faults
	fault    injector.Fault
	makers   []observe.Proxy // proxies in which it is made
	anywhere bool            // requests to every subset count
}

// hops are those of the faults, in their order.
func (t *trial) hops() []hop {
	var all []hop
	for i, fault := range t.experiment.Faults {
		all = append(all, hop{index: i, fault: fault, makers: t.makers(i)})
	}
	return all
}

// String names the hop, as one to or into something.
func (h hop) String() string {
	if h.fault.Site == injector.Upstream {
		return "into pods of " + h.fault.On.String()
	}
	return "to " + h.fault.On.String()
}

// in reports whether requests that went to a host, as a proxy that makes the
// fault sees it, passed the hop.
func (h hop) in(c observe.Cluster) bool {
	if h.fault.Site == injector.Upstream {
		return c.Direction == observe.Inbound
	}
	return h.toService(c)
}

// toService reports whether a caller's cluster leads to what the fault is on.
func (h hop) toService(c observe.Cluster) bool {
	on := h.fault.On
	return c.Serves(serviceName(on)) && (on.Port == 0 || on.Port == c.Port) && (h.anywhere || on.Subset == "" || on.Subset == c.Subset)
}

// makes reports whether the fault is made in a proxy.
func (h hop) makes(p observe.Proxy) bool {
	return slices.ContainsFunc(h.makers, func(m observe.Proxy) bool { return m.String() == p.String() })
}

// knows reports whether requests can pass the hop in a proxy that makes the fault.
func (h hop) knows(state observe.ProxyState) bool {
	return slices.ContainsFunc(state.Hosts, func(host observe.Host) bool { return h.in(host.Cluster) })
}

// passed counts the requests that passed the hop in a proxy.
func (h hop) passed(state observe.ProxyState) int {
	return requestsTo(state, h.in)
}

// requestsTo counts what a proxy sent to clusters.
func requestsTo(state observe.ProxyState, in func(observe.Cluster) bool) int {
	sum := 0
	for _, host := range state.Hosts {
		if in(host.Cluster) {
			sum += int(host.Requests)
		}
	}
	return sum
}

// placement says what of a phase's load passed the hop.
func (h hop) placement(p Phase) Placement {
	out := Placement{Fault: h.fault.String(), Hop: h.String()}
	for _, state := range p.Mesh.Proxies {
		if !h.makes(state.Proxy) || !h.knows(state) {
			continue
		}
		out.Knowing++
		if n := h.passed(state); n > 0 {
			out.Requests += n
			out.Proxies = append(out.Proxies, Placed{state.Proxy.String(), n})
		}
	}
	slices.SortStableFunc(out.Proxies, func(a, b Placed) int { return b.Requests - a.Requests })
	if sent := p.Load.Requests(); sent > 0 {
		out.Share = float64(out.Requests) / float64(sent)
	}
	return out
}

// placements are those of all faults in a phase.
func placements(hops []hop, p Phase) []Placement {
	var all []Placement
	for _, h := range hops {
		all = append(all, h.placement(p))
	}
	return all
}

// String renders the placement as a clause.
func (p Placement) String() string {
	if p.Requests == 0 {
		return fmt.Sprintf("0 requests passed %s, in %s", p.Hop, howMany(p.Knowing, "proxy"))
	}
	var by []string
	for _, one := range p.Proxies {
		by = append(by, fmt.Sprintf("%s: %d", one.Proxy, one.Requests))
	}
	return fmt.Sprintf("%s passed %s, %.2f for each of the load (%s)", howMany(p.Requests, "request"), p.Hop, p.Share, listed(by, 4))
}

// howMany is a number with its noun.
func howMany(n int, noun string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(noun, "y"):
		noun = strings.TrimSuffix(noun, "y") + "ies"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// listed joins the first of some texts, and says how many more there are.
func listed(texts []string, most int) string {
	if more := len(texts) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(texts[:most], ", "), more)
	}
	return strings.Join(texts, ", ")
}
