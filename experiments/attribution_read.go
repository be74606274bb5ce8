package experiments

import (
	"context"
	"slices"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// attribution says who gave up or tried again, with the access logs of those
// callers of which there is anything to tell. A log that cannot be read makes
// figures unknown, and nothing else.
func (t *trial) attribution(ctx context.Context) []Attribution {
	ctx, cancel := context.WithTimeout(ctx, readingBudget)
	defer cancel()
	logs := map[string]hopLog{}
	for _, p := range t.suspects() {
		log, err := t.mesh.Logs(ctx, p, t.report.Baseline.From)
		if err != nil {
			logs[p.String()] = hopLog{missing: "the access log could not be read"}
			continue
		}
		logs[p.String()] = newHopLog(parseAccessLog(log), t.report)
	}
	return attribute(t.report, logs)
}

func newHopLog(hits []hit, r *Report) hopLog {
	if len(hits) == 0 {
		return hopLog{missing: "there is no access log"}
	}
	return hopLog{baseline: within(hits, r.Baseline), during: within(hits, r.During)}
}

// suspects are the proxies whose hops may have something to tell: by their
// counters, or because they make a fault themselves, at which their application
// may lose patience.
func (t *trial) suspects() []observe.Proxy {
	var names []string
	for _, a := range attribute(t.report, nil) {
		names = append(names, a.Caller)
	}
	for i, fault := range t.experiment.Faults {
		if fault.Site != injector.Caller {
			continue
		}
		for _, p := range t.makers(i) {
			names = append(names, p.String())
		}
	}
	return slices.DeleteFunc(slices.Clone(t.proxies), func(p observe.Proxy) bool { return !slices.Contains(names, p.String()) })
}
