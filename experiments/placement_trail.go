package experiments

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

// trail is where requests went that reached no fault.
type trail struct {
	seen     observe.Change // what every proxy counted of them
	requests int            // how many they were
	load     loadgen.Load   // that sent them
}

// lost says that the load of the baseline did not pass the hop, where it was seen
// instead, and what would be right.
func (h hop) lost(baseline Phase, more trail) string {
	placed := h.placement(baseline)
	return fmt.Sprintf("the load never reached the hop of the fault, so nothing was injected (%s): of %s in the baseline, 0 were seen %s "+
		"in %s that would make the fault; %s",
		h.fault, howMany(baseline.Load.Requests(), "request"), h, howMany(placed.Knowing, "proxy"), h.whereabouts(more))
}

// whereabouts says where requests went, and what to do about it. The first that
// applies is the nearest explanation.
func (h hop) whereabouts(more trail) string {
	h.anywhere = true
	targets := h.targets(more.seen)
	into := func(c observe.Cluster) bool { return c.Direction == observe.Inbound }
	came, onward := 0, 0
	for _, state := range targets {
		came += requestsTo(state, into)
		onward += requestsTo(state, func(c observe.Cluster) bool { return c.Direction == observe.Outbound })
	}
	of := fmt.Sprintf("of %d more", more.requests)
	if n := h.late(more.seen); n > 0 {
		return fmt.Sprintf("%s, %d were seen there: it is called seldom; make settle longer, or raise load.rate", of, n)
	}
	if sender, n := h.sender(more.seen); n > 0 {
		return h.leftOut(sender, n, of)
	}
	if alias, n := h.alias(more.seen); n > 0 {
		return fmt.Sprintf("%s, %d went to its pods as %s: put the fault on that service", of, n, alias)
	}
	switch {
	case came > 0:
		return fmt.Sprintf("%s, %d came into its pods, and no proxy sent them: the load bypasses the sidecars of the callers; "+
			"let it enter by a gateway (gateway, and from.gateway of the fault), call the service from a pod with a sidecar, or use site: upstream", of, came)
	case onward > 0:
		return fmt.Sprintf("%s, none came into its pods through their proxies, yet these pods sent on %d: the load bypasses their sidecars, "+
			"straight to the port of the app; send it to the service or through a gateway", of, onward)
	}
	return elsewhere(more, of)
}

// late counts the requests that passed the hop after all.
func (h hop) late(seen observe.Change) int {
	if h.fault.Site == injector.Upstream {
		return sent(seen, h.toService)
	}
	n := 0
	for _, state := range seen.Proxies {
		if h.makes(state.Proxy) {
			n += h.passed(state)
		}
	}
	return n
}

// targets are the proxies beside the service's pods, as far as others know them.
func (h hop) targets(seen observe.Change) []observe.ProxyState {
	addresses := h.addresses(seen)
	return slices.DeleteFunc(slices.Clone(seen.Proxies), func(state observe.ProxyState) bool {
		return state.Proxy.IP == "" || !slices.Contains(addresses, state.Proxy.IP)
	})
}

func (h hop) addresses(seen observe.Change) []string {
	var addresses []string
	for _, state := range seen.Proxies {
		for _, host := range state.Hosts {
			if h.toService(host.Cluster) {
				addresses = append(addresses, host.IP())
			}
		}
	}
	return distinct(addresses)
}

// sender is the proxy that sent most to the service, of those that would not make
// the fault.
func (h hop) sender(seen observe.Change) (sender observe.Proxy, n int) {
	for _, state := range seen.Proxies {
		if sent := requestsTo(state, h.toService); sent > n && !h.makes(state.Proxy) {
			sender, n = state.Proxy, sent
		}
	}
	return sender, n
}

func (h hop) leftOut(sender observe.Proxy, n int, of string) string {
	switch {
	case sender.Gateway && h.fault.From.Gateway == "":
		return fmt.Sprintf("%s, %d were sent there by %s, a gateway, which has routes of its own: name its Gateway in from.gateway, "+
			"or put the fault one hop further on", of, n, sender)
	default:
		return fmt.Sprintf("%s, %d were sent there by %s, in which the fault is not made: change from, so that it is among the callers", of, n, sender)
	}
}

// alias is the other service by whose name most requests went to the same pods.
func (h hop) alias(seen observe.Change) (alias string, n int) {
	addresses := h.addresses(seen)
	sent := map[string]int{}
	for _, state := range seen.Proxies {
		for _, host := range state.Hosts {
			if host.Cluster.Direction == observe.Outbound && !h.toService(host.Cluster) && slices.Contains(addresses, host.IP()) {
				sent[shortName(host.Cluster.Service)] += int(host.Requests)
			}
		}
	}
	for name, requests := range sent {
		if requests > n || requests == n && requests > 0 && name < alias {
			alias, n = name, requests
		}
	}
	return alias, n
}

// elsewhere says which services got requests, when the hop's did not.
func elsewhere(more trail, of string) string {
	got := map[string]int{}
	for _, state := range more.seen.Proxies {
		for _, host := range state.Hosts {
			if host.Requests > 0 && host.Cluster.Direction == observe.Outbound {
				got[shortName(host.Cluster.Service)] += int(host.Requests)
			}
		}
	}
	var names []string
	for name := range got {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(got[b]-got[a], strings.Compare(a, b)) })
	if len(names) == 0 {
		return fmt.Sprintf("%s, no proxy of the mesh passed any: the load goes past the mesh, to %s; set gateway, or the URL of a service in it",
			of, cmp.Or(more.load.ConnectTo, more.load.URL))
	}
	for n, name := range names {
		names[n] = fmt.Sprintf("%s: %d", name, got[name])
	}
	return fmt.Sprintf("%s, proxies sent to %s: does the app call the service for %s at all? If it does so seldom, make settle longer",
		of, listed(names, 6), more.load.URL)
}

// shortName is a Kubernetes service as "namespace/name", any other as it is.
func shortName(host string) string {
	labels := strings.Split(host, ".")
	if len(labels) > 3 && labels[2] == "svc" {
		return labels[1] + "/" + labels[0]
	}
	return host
}
