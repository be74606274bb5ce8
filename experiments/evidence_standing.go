package experiments

// Evidence of faults that the mesh had before the run: those that users have in
// routes of their own.

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/observe"
)

// standingFault is a part of a fault that a user has in the one route to a service.
type standingFault struct {
	text    string
	flag    string // by which access logs tell the requests that it hit
	percent float64
	to      observe.Cluster // the service and its port, whatever the subset
}

// standingFaults are those on the calls that an experiment is about, as far as
// every request on them takes the route that has the fault: only then do logs tell
// how many it could hit.
func standingFaults(hops []preflight.Hop) []standingFault {
	var all []standingFault
	for _, h := range hops {
		if h.From.Gateway != "" || len(h.Routes) != 1 || !h.Routes[0].All() {
			continue
		}
		route := h.Routes[0]
		add := func(what, flag string, share *networking.Percent) {
			all = append(all, standingFault{
				text: fmt.Sprintf("%s on %v%% of the requests to %s by %s", what, share.GetValue(), h.To.Host, route.Object),
				flag: flag, percent: share.GetValue(),
				to: observe.Cluster{Direction: observe.Outbound, Port: h.Port.Number, Service: h.To.Host},
			})
		}
		if d := route.Fault.GetDelay(); d != nil {
			add("delay "+d.GetFixedDelay().AsDuration().String(), "DI", d.GetPercentage())
		}
		if a := route.Fault.GetAbort(); a != nil {
			add("abort "+cmp.Or(a.GetGrpcStatus(), strconv.Itoa(int(a.GetHttpStatus()))), "FI", a.GetPercentage())
		}
	}
	return all
}

// standing counts in the access logs of the observed sidecars how often those
// faults fired in the fault phase.
func (t *trial) standing(ctx context.Context) []Evidence {
	faults := standingFaults(t.hopsAhead)
	if len(faults) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, evidenceBudget)
	defer cancel()
	for {
		logged := t.loggedDuring(ctx)
		var all []Evidence
		complete := true
		for _, f := range faults {
			e, passed := f.evidence(logged, t.experiment.alpha()), f.passed(t.report.During.Mesh)
			all, complete = append(all, e), complete && e.Of >= passed
		}
		if complete || pause(ctx, 200*time.Millisecond) != nil {
			return all
		}
	}
}

// loggedDuring are the requests of the fault phase in the logs of all observed
// sidecars; a log that cannot be read has none.
func (t *trial) loggedDuring(ctx context.Context) []hit {
	from := t.report.During.From.Truncate(time.Millisecond)
	var all []hit
	for _, p := range t.proxies {
		if p.Gateway {
			continue
		}
		log, err := t.mesh.Logs(ctx, p, from)
		if err != nil {
			t.log.Warn("no access log", "error", err)
			continue
		}
		all = append(all, slices.DeleteFunc(parseAccessLog(log), func(h hit) bool {
			return h.at.Before(from) || h.at.After(t.report.During.To)
		})...)
	}
	return all
}

// evidence is what logged requests show of the fault.
func (f standingFault) evidence(logged []hit, alpha float64) Evidence {
	e := Evidence{Fault: f.text, Source: sourceLog}
	for _, h := range logged {
		if cluster, ok := observe.ParseCluster(h.cluster); !ok || !f.on(cluster) {
			continue
		}
		e.Of++
		if slices.Contains(h.flags, f.flag) {
			e.Fired++
		}
	}
	e.Off = offPart(e.String(), e.Fired, e.Of, f.percent, alpha)
	return e
}

// on reports whether a cluster leads to the service and port of the fault.
func (f standingFault) on(c observe.Cluster) bool {
	c.Subset = ""
	return c == f.to
}

// passed counts the requests that went on to the service: all but aborted ones.
func (f standingFault) passed(c observe.Change) int {
	sum := 0
	for _, state := range c.Proxies {
		if !state.Proxy.Gateway {
			sum += requestsTo(state, f.on)
		}
	}
	return sum
}
