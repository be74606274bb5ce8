package experiments

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/binomial"
	"github.com/faultline-mesh/faultline/observe"
)

// evidenceBudget bounds the wait for access logs to be written: Istio's proxies
// flush them every second.
const evidenceBudget = 3 * time.Second

// evidence says, for each fault, what shows that it fired. It asks the access
// logs of the proxies that make the fault until they show it, then what else
// there is.
func (t *trial) evidence(ctx context.Context) ([]Evidence, error) {
	ctx, cancel := context.WithTimeout(ctx, evidenceBudget)
	defer cancel()
	var all []Evidence
	for i, fault := range t.experiment.Faults {
		e := Evidence{Fault: fault.String()}
		makers, routes := t.makers(i)
		for e.Fired == 0 {
			if err := t.fromLogs(ctx, &e, makers, routes); err != nil && ctx.Err() == nil {
				t.log.Warn("no access log", "error", err)
				break
			}
			if e.Fired > 0 || pause(ctx, 200*time.Millisecond) != nil {
				break
			}
		}
		if e.Fired == 0 {
			fromCounters(&e, t.report.During, t.unshared(i, makers))
		}
		if e.Fired == 0 {
			fromMarker(&e, fault, t.experiment.Faults, t.report)
		}
		e.Off = offShare(e, fault)
		all = append(all, e)
	}
	return all, nil
}

// makers are the proxies in which a fault is made, and the routes that make it;
// an Upstream fault has no routes.
func (t *trial) makers(fault int) (makers []observe.Proxy, routes []string) {
	for _, edit := range t.plan.Edits {
		if edit.Fault != fault {
			continue
		}
		routes = append(routes, edit.Routes...)
		for _, s := range sights([]injector.Edit{edit}, t.experiment.Faults, t.proxies) {
			makers = append(makers, s.proxy)
		}
	}
	return makers, routes
}

// unshared leaves out the proxies that make another fault, too: their counters
// do not tell which of them fired.
func (t *trial) unshared(fault int, makers []observe.Proxy) []observe.Proxy {
	others := map[string]bool{}
	for i := range t.experiment.Faults {
		if i == fault {
			continue
		}
		makers, _ := t.makers(i)
		for _, p := range makers {
			others[p.String()] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(makers), func(p observe.Proxy) bool { return others[p.String()] })
}

// fromLogs counts in the makers' access logs. At the Caller site every request
// that met the fault names our route, so the share is known.
func (t *trial) fromLogs(ctx context.Context, e *Evidence, makers []observe.Proxy, routes []string) error {
	during := t.report.During
	fired, of := 0, 0
	for _, proxy := range makers {
		log, err := t.mesh.Logs(ctx, proxy, during.From)
		if err != nil {
			return err
		}
		for _, h := range parseAccessLog(log) {
			if h.at.Before(during.From.Truncate(time.Millisecond)) || h.at.After(during.To) || !h.met(routes) {
				continue
			}
			of++
			if h.faulted() {
				fired++
			}
		}
	}
	if fired > 0 {
		e.Source, e.Fired, e.Of = "access log", fired, of
	}
	return nil
}

// met reports whether a logged request came to where the fault is made: to one of
// its routes or, without any, into the pod.
func (h hit) met(routes []string) bool {
	if len(routes) == 0 {
		return strings.HasPrefix(h.cluster, "inbound|")
	}
	return slices.ContainsFunc(routes, func(name string) bool { return injector.NamesRoute(h.route, name) })
}

// fromCounters reads the fault filters' own counters, which Istio's proxies do
// not export unless told to (its setting proxyStatsMatcher).
func fromCounters(e *Evidence, during Phase, makers []observe.Proxy) {
	for _, state := range during.Mesh.Proxies {
		if !slices.ContainsFunc(makers, func(p observe.Proxy) bool { return p.String() == state.Proxy.String() }) {
			continue
		}
		for name, n := range state.Stats {
			if strings.HasSuffix(name, ".fault.aborts_injected") || strings.HasSuffix(name, ".fault.delays_injected") {
				e.Fired += int(n)
			}
		}
	}
	if e.Fired > 0 {
		e.Source = "fault counters"
	}
}

// fromMarker counts the answers that carry our response header. They say that a
// request took the faulted route, which means that it was hit only where the
// fault hits every request and is the only one.
func fromMarker(e *Evidence, fault injector.Fault, faults []injector.Fault, r *Report) {
	if fault.Site != injector.Caller || fault.Percent() < 100 || len(faults) > 1 {
		return
	}
	if n := r.During.Load.Marked(r.Run); n > 0 {
		e.Source, e.Fired = "response header", n
	}
}

// offShare compares the fired share with the percent that was asked, by the
// exact binomial interval: Envoy draws for each request on its own.
func offShare(e Evidence, fault injector.Fault) string {
	if fault.Site == injector.Upstream && !fault.AllTraffic || e.Of == 0 || e.Fired == 0 {
		return "" // other traffic of the pods may be among the requests
	}
	if !binomial.Rejects(e.Of, e.Fired, fault.Percent()/100, binomial.Alpha) {
		return ""
	}
	if fault.Percent() == 100 {
		return fmt.Sprintf("%s, though it hits every request that meets it", e)
	}
	low, high := binomial.Interval(e.Of, e.Fired, binomial.Alpha)
	return fmt.Sprintf("%s, which is between %.2f%% and %.2f%% of them and cannot be %v%%", e, 100*low, 100*high, fault.Percent())
}
