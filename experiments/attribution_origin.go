package experiments

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/faultline-mesh/faultline/observe"
)

// origin is what is known of the requests of one proxy to one service.
type origin struct {
	service string
	out, in observe.Host      // what the proxy counted toward it, and toward its own application
	stats   map[string]uint64 // what the proxy exports
	log     hopLog
}

// untried are the response flags of requests for which no host was tried.
var untried = [...]string{"FI", "UH", "NR", "NC", "UO", "RL", "UAEX", "RLSE"}

// attribution puts the figures together.
func (h origin) attribution(caller string) Attribution {
	a := Attribution{Caller: caller, Service: h.service, How: "host counters"}
	if h.log.missing == "" {
		a.How += " and access log"
	}
	a.Timeouts.Mesh.N = int(h.out.Timeouts)
	a.Timeouts.App = h.leftByApp()
	a.Retries.Mesh = h.retriesOfMesh()
	a.Retries.App = h.retriesOfApp()
	return a
}

// leftByApp counts the requests that the application left. One whose own caller
// had left, by the same request id, was passed on and is nobody's timeout here.
func (h origin) leftByApp() Figure {
	if h.log.missing != "" {
		switch gone := left(h.out); {
		case gone == 0:
			return Figure{Unknown: h.log.missing}
		case left(h.in) > 0:
			return Figure{Unknown: fmt.Sprintf("%d were left, and so were %d of the caller's own; %s", gone, left(h.in), h.log.missing)}
		default:
			return Figure{N: gone}
		}
	}
	mine, own := ids(h.log.during, h.calls, "DC"), ids(h.log.during, inbound, "DC")
	if len(own) == 0 {
		return Figure{N: len(mine)}
	}
	if !h.forwardsIDs(h.log.during) && len(mine) > 0 {
		return Figure{Unknown: fmt.Sprintf("%d were left, and so were %d of the caller's own; the application does not forward x-request-id, "+
			"by which they could be told apart", len(mine), len(own))}
	}
	passedOn := setOf(own)
	return Figure{N: len(slices.DeleteFunc(mine, func(id string) bool { return passedOn[id] }))}
}

// retriesOfMesh counts the tries beyond one for each request in the log, or takes
// the sidecar's word where it exports it.
func (h origin) retriesOfMesh() Figure {
	if n, exported := h.exportedRetries(); exported {
		return Figure{N: n}
	}
	if h.log.missing != "" {
		return Figure{Unknown: h.log.missing + ", and the sidecar does not export upstream_rq_retry"}
	}
	slack, off := h.logSlack()
	switch {
	case off != "":
		return Figure{Unknown: off}
	case h.out.FailedConnects > 0:
		return Figure{Unknown: "connections failed, and tries that found none are not counted"}
	}
	tried := 0
	for _, one := range h.log.during {
		leftInDelay := one.has("DI") && one.has("DC")
		if h.calls(one) && !one.has(untried[:]...) && !leftInDelay {
			tried++
		}
	}
	if more := int(h.out.Requests) - tried; more > slack {
		return Figure{N: more}
	}
	return Figure{}
}

// retriesOfApp counts the requests beyond those that the application sent for each
// request of its own in the baseline.
func (h origin) retriesOfApp() Figure {
	if h.log.missing != "" {
		return Figure{Unknown: h.log.missing}
	}
	if _, off := h.logSlack(); off != "" {
		return Figure{Unknown: off}
	}
	before, asked := len(ids(h.log.baseline, h.calls)), len(ids(h.log.baseline, inbound))
	per := float64(before) / float64(asked) // NaN without any
	switch {
	case asked == 0:
		return Figure{Unknown: "the baseline has no request of the caller's own to compare with"}
	case math.Abs(per-math.Round(per)) > 0.01 || per < 0.5:
		return Figure{Unknown: fmt.Sprintf("in the baseline the application sent %d for %d of its own, which is no fixed number for each", before, asked)}
	}
	calls := int(math.Round(per))
	mine, own := ids(h.log.during, h.calls), ids(h.log.during, inbound)
	if !h.forwardsIDs(h.log.during) {
		return Figure{N: max(0, len(mine)-calls*len(own))}
	}
	count, more := map[string]int{}, 0
	for _, id := range mine {
		if count[id]++; count[id] > calls {
			more++
		}
	}
	return Figure{N: more}
}

// logSlack compares the log with the counters: how many requests of the caller's
// own it has too many or too few, or that it is not whole.
func (h origin) logSlack() (slack int, off string) {
	logged := len(ids(h.log.during, inbound))
	if h.in.Requests == 0 && logged == 0 { // a gateway
		return 0, ""
	}
	slack = max(logged-int(h.in.Requests), int(h.in.Requests)-logged)
	if share := 0.01 * float64(h.in.Requests); float64(slack) > share {
		return slack, fmt.Sprintf("the access log has %d requests of the caller's own, and the sidecar counted %d", logged, h.in.Requests)
	}
	return slack, ""
}

// exportedRetries is what the sidecar itself counts as retries toward the service.
func (h origin) exportedRetries() (n int, exported bool) {
	for name, value := range h.stats {
		whole, ok := strings.CutSuffix(name, ".upstream_rq_retry")
		if !ok {
			continue
		}
		if c, ok := observe.ParseCluster(strings.TrimPrefix(whole, "cluster.")); ok && c.Direction == observe.Outbound && c.Service == h.service {
			n, exported = n+int(value), true
		}
	}
	return n, exported
}

// forwardsIDs reports whether the application hands the request id of its own
// requests on.
func (h origin) forwardsIDs(hits []hit) bool {
	own := setOf(ids(hits, inbound))
	return slices.ContainsFunc(ids(hits, h.calls), func(id string) bool { return own[id] })
}

// calls reports whether a logged request went to the service.
func (h origin) calls(one hit) bool {
	c, ok := observe.ParseCluster(one.cluster)
	return ok && c.Direction == observe.Outbound && c.Service == h.service
}

// inbound reports whether a logged request was one of the caller's own.
func inbound(one hit) bool { return strings.HasPrefix(one.cluster, observe.Inbound+"|") }

// has reports whether a logged request has one of the response flags.
func (h hit) has(flags ...string) bool {
	return slices.ContainsFunc(h.flags, func(flag string) bool { return slices.Contains(flags, flag) })
}

// ids are the request ids of those that are wanted, and have one of the flags
// where any are named.
func ids(hits []hit, wanted func(hit) bool, flags ...string) []string {
	var all []string
	for _, one := range hits {
		if wanted(one) && (len(flags) == 0 || one.has(flags...)) {
			all = append(all, one.id)
		}
	}
	return all
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}
