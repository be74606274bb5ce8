package experiments

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/stats"
	"github.com/faultline-mesh/faultline/observe"
)

// arrived says whether the headers that tell the fault's requests arrive where it
// is made; nil when it is for all traffic, or no source can tell.
func (f finding) arrived(e Evidence, during Phase) *Propagation {
	if f.fault.AllTraffic {
		return nil
	}
	if e.Source == sourceMarker {
		return f.answered(e, during)
	}
	var out Propagation
	var unmatched []string
	for _, p := range e.Proxies {
		if !p.known {
			return nil
		}
		out.Matched += p.Matched
		out.Reached += p.Matched
		if !p.Others {
			out.Reached += p.Reached - p.Matched
			if p.Reached > p.Matched {
				unmatched = append(unmatched, p.Proxy)
			}
		}
	}
	if out.Reached == 0 {
		return nil
	}
	out.Path = f.path(during.Mesh, unmatched)
	return &out
}

// answered judges by the answers alone, of a fault that hits every request: each
// of the load's that came to the hop has our header, or did not meet the fault. An
// app that does not hand it back leaves the question open.
func (f finding) answered(e Evidence, during Phase) *Propagation {
	passed := 0
	var unmatched []string
	for _, p := range e.Proxies {
		if !p.Others {
			passed += p.Reached
			unmatched = append(unmatched, p.Proxy)
		}
	}
	reached := max(passed, f.marked)
	if f.stops() {
		reached = passed + f.marked // those that were hit did not pass
	}
	out := &Propagation{Reached: max(min(reached, during.Load.Requests()), f.marked), Matched: f.marked}
	if out.Reached > out.Matched {
		out.Path = f.path(during.Mesh, unmatched)
	}
	return out
}

// path lists the services between the load and the hop, the nearest to it first:
// those whose pods sent requests that did not match, then those that sent
// requests to them, and so on.
func (f finding) path(seen observe.Change, from []string) []string {
	var path []string
	if f.fault.Site == injector.Upstream {
		from = senders(seen, f.addressesOf(from, seen))
	}
	for len(from) > 0 && len(path) < len(seen.Proxies) {
		var names, addresses []string
		for _, state := range seen.Proxies {
			if slices.Contains(from, state.Proxy.String()) && !state.Proxy.Gateway {
				names = append(names, serviceOf(state.Proxy, seen))
				addresses = append(addresses, state.Proxy.IP)
			}
		}
		from = slices.DeleteFunc(distinct(names), func(name string) bool { return slices.Contains(path, name) })
		if len(from) == 0 {
			break
		}
		path = append(path, from...)
		from = senders(seen, addresses)
	}
	return path
}

func (f finding) addressesOf(proxies []string, seen observe.Change) []string {
	var addresses []string
	for _, state := range seen.Proxies {
		if slices.Contains(proxies, state.Proxy.String()) {
			addresses = append(addresses, state.Proxy.IP)
		}
	}
	return addresses
}

// senders are the proxies that sent requests to hosts at some addresses.
func senders(seen observe.Change, addresses []string) []string {
	var all []string
	for _, state := range seen.Proxies {
		if slices.ContainsFunc(state.Hosts, func(h observe.Host) bool {
			return h.Cluster.Direction == observe.Outbound && h.Requests > 0 && slices.Contains(addresses, h.IP())
		}) {
			all = append(all, state.Proxy.String())
		}
	}
	return all
}

// serviceOf is the service by which most requests came to a proxy's pod, or the
// pod itself. Where that is not seen, the one with the fewest pods is the best
// name.
func serviceOf(p observe.Proxy, seen observe.Change) string {
	requests, pods := map[string]int{}, map[string]map[string]bool{}
	for _, state := range seen.Proxies {
		for _, h := range state.Hosts {
			if h.Cluster.Direction != observe.Outbound {
				continue
			}
			name := shortName(h.Cluster.Service)
			if pods[name] == nil {
				pods[name] = map[string]bool{}
			}
			pods[name][h.IP()] = true
			if h.IP() == p.IP {
				requests[name] += int(h.Requests)
			}
		}
	}
	names := slices.Collect(maps.Keys(requests))
	if p.IP == "" || len(names) == 0 {
		return p.String()
	}
	return slices.MinFunc(names, func(a, b string) int {
		return cmp.Or(requests[b]-requests[a], len(pods[a])-len(pods[b]), strings.Compare(a, b))
	})
}

// lacks says that the headers of a fault arrived with none of the requests, or
// with some only; empty when they arrived, or it cannot be told.
func (e Evidence) lacks(alpha float64) string {
	a := e.Arrived
	if a == nil {
		return e.ofOthers()
	}
	missing := a.Reached - a.Matched
	low := 0.0
	if missing > 0 {
		low, _ = stats.Interval(a.Reached, missing, alpha)
	}
	switch {
	case a.Matched == 0 && missing > 0:
		return fmt.Sprintf("the fault's requests do not arrive at its hop (%s): %s came there in the fault phase, and none of them carried %s (%s); %s",
			e.Fault, howMany(a.Reached, "request"), e.tell(), firingsText(e.Proxies), e.advice())
	case low > fewShare, missing > 0 && len(e.silent()) > 0:
		return fmt.Sprintf("only some of the fault's requests arrive at its hop (%s): of %s that came there in the fault phase, %d carried %s (%s); %s",
			e.Fault, howMany(a.Reached, "request"), a.Matched, e.tell(), firingsText(e.Proxies), e.advice())
	}
	return ""
}

// ofOthers says that no request of the load came to the hop, though requests of
// others did; empty when that is not known.
func (e Evidence) ofOthers() string {
	if e.Fired > 0 || len(e.Proxies) == 0 || slices.ContainsFunc(e.Proxies, func(p Firing) bool { return !p.Others }) {
		return ""
	}
	return fmt.Sprintf("the load's requests do not come to the fault's hop (%s): %s came there in the fault phase without %s (%s), "+
		"and as many come without the load, too; does the app call the service for the load's URL?",
		e.Fault, howMany(e.reached(), "request"), e.tell(), firingsText(e.Proxies))
}

// tell names what tells the fault's requests.
func (e Evidence) tell() string {
	if len(e.headers) == 0 {
		return fmt.Sprintf("the run's header (%s: %s=…, or %s)", injector.HeaderBaggage, injector.BaggageKey, injector.HeaderRun)
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(e.headers)) {
		all = append(all, name+": "+e.headers[name])
	}
	return "the fault's own headers (" + strings.Join(all, ", ") + ")"
}

// advice says what to do when headers do not arrive.
func (e Evidence) advice() string {
	if len(e.unsent) > 0 {
		return fmt.Sprintf("the load does not send %s: set it in load.header", strings.Join(e.unsent, ", "))
	}
	others := "; or, if these are requests of others, limit the fault to the callers that the load passes (from)"
	if e.Arrived.Matched == 0 {
		others = ""
	}
	switch path := e.Arrived.Path; len(path) {
	case 0:
		return "let the services before that hop forward the headers" + others
	case 1:
		return path[0] + " does not forward the headers to it" + others
	default:
		return strings.Join(path[:len(path)-1], ", ") + " or " + path[len(path)-1] + " does not forward the headers" + others
	}
}

// unsent are the headers by which a fault tells its requests that the load does
// not send, with the values that are wanted.
func unsent(fault injector.Fault, header map[string]string) []string {
	sent := http.Header{}
	for name, value := range header {
		sent.Set(name, value)
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(fault.Headers)) {
		if sent.Get(name) != fault.Headers[name] {
			missing = append(missing, name+": "+fault.Headers[name])
		}
	}
	return missing
}
