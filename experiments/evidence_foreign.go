package experiments

// What at the hop of a fault is not its doing, or escapes it.

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// hitsBefore counts the requests of the baseline, in a log of a proxy that makes an
// Upstream fault, that were hit as the fault hits them. It was not there yet.
// Nothing in a log tells such hits from ours.
func (f finding) hitsBefore(log []hit, baseline Phase) int {
	if f.fault.Site != injector.Upstream {
		return 0
	}
	n, from := 0, baseline.From.Truncate(time.Millisecond)
	for _, one := range log {
		shown := slices.ContainsFunc(f.steps, func(s trace) bool {
			return slices.ContainsFunc(s.signs, func(sign injector.Sign) bool { return sign.ShownBy(one.flags, one.id) })
		})
		if shown && f.sees(one) && !one.at.Before(from) && one.at.Before(baseline.To) {
			n++
		}
	}
	return n
}

// unfaulted lists the pods of a service that got requests in a phase without having
// a fault that is for all its pods: pods that were born later, or have no sidecar.
func (h hop) unfaulted(during Phase) []string {
	if f := h.fault; f.Site != injector.Upstream || f.Pods > 0 || f.PodsPercent > 0 || len(f.PodNames) > 0 {
		return nil
	}
	requests := map[string]int{}
	for _, state := range during.Mesh.Proxies {
		for _, host := range state.Hosts {
			if host.Cluster.Direction == observe.Outbound && h.toService(host.Cluster) {
				requests[host.IP()] += int(host.Requests)
			}
		}
	}
	var all []string
	for address, n := range requests {
		known := slices.ContainsFunc(h.makers, func(p observe.Proxy) bool { return p.IP == address })
		if !known && n >= fewRequests {
			all = append(all, fmt.Sprintf("%s: %d", address, n))
		}
	}
	slices.Sort(all)
	return all
}

// compareAll says of a fault on all traffic whether as many requests come to its hop
// in a time without load: then it was not the load that met it.
func (f *finding) compareAll(quiet observe.Change, during Phase) {
	if !f.fault.AllTraffic {
		return
	}
	without, with := 0, 0
	for _, state := range quiet.Proxies {
		if f.makes(state.Proxy) {
			without += f.passed(state)
		}
	}
	for _, r := range f.readings {
		with += max(r.reached, r.passed)
	}
	f.unmet = asOften(without, with, quiet.To.Sub(quiet.From), during.To.Sub(during.From))
}

func hitBefore(o outcome) string {
	for _, e := range o.Evidence {
		if e.Before > 0 && !lastOfAnother(o, e) {
			return fmt.Sprintf("before the fault was there, %s of the baseline were hit in the same way (%s): there is another fault of the kind in these pods, "+
				"and nothing tells its hits from this one's; take it out (kubectl get envoyfilters), and repeat the run", howMany(e.Before, "request"), e.Fault)
		}
	}
	return ""
}

// lastOfAnother reports whether so few requests of the baseline were hit that they
// make no difference to what the fault did: a listener that drains serves one more
// request on each old connection, with a fault that was just taken out.
func lastOfAnother(o outcome, e Evidence) bool {
	const most = 0.25 // of the fault's own hits
	as := float64(e.Before*o.During.Load.Requests()) / float64(max(1, o.Baseline.Load.Requests()))
	return e.Before < fewRequests && as <= most*float64(e.Fired)
}

func strangers(o outcome) string {
	for _, e := range o.Evidence {
		if e.Unmet {
			return fmt.Sprintf("the load's requests do not come to the fault's hop (%s): as many requests come there without the load; "+
				"does the app call the service for the load's URL?", e.Fault)
		}
	}
	return ""
}

func unfaulted(o outcome) string {
	for _, e := range o.Evidence {
		if len(e.Unfaulted) > 0 {
			return fmt.Sprintf("the fault was not in all pods (%s): requests went to pods of the service that did not have it (%s), because they were born "+
				"after the plan was made or have no sidecar; let the service alone while it is tested, and repeat the run",
				e.Fault, strings.Join(e.Unfaulted, ", "))
		}
	}
	return ""
}
