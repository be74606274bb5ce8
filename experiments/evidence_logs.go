package experiments

// What access logs show of a fault.

import (
	"context"
	"slices"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// readLogs reads the access logs of the proxies that make the fault, anew. At the
// Caller site every request that came to the fault names our route, so the share
// is known.
func (t *trial) readLogs(ctx context.Context, f *finding, during Phase) error {
	ctx, cancel := context.WithTimeout(ctx, readingBudget)
	defer cancel()
	since := during.From
	if f.fault.Site == injector.Upstream {
		since = t.report.Baseline.From
	}
	for i := range f.readings {
		log, err := t.mesh.Logs(ctx, f.readings[i].proxy, since)
		if err != nil {
			for i := range f.readings { // without one of them the others do not tell all
				f.readings[i].logged, f.readings[i].steps, f.readings[i].reached = false, nil, 0
			}
			return err
		}
		hits := parseAccessLog(log)
		f.readings[i].read(*f, hits, during)
		f.readings[i].before = f.hitsBefore(hits, t.report.Baseline)
	}
	return nil
}

// read counts the requests of a log, those of a phase.
func (r *reading) read(f finding, log []hit, during Phase) {
	r.steps, r.logged, r.reached = fresh(f.steps), false, 0
	from := during.From.Truncate(time.Millisecond)
	var came []hit
	for _, one := range log {
		ours := slices.ContainsFunc(f.steps, func(s trace) bool { return len(s.routes) > 0 && one.met(s.routes) })
		theirs := !ours && injector.OfRun(one.route) // another run's, as it names its route
		if !ours && !f.sees(one) || theirs || one.at.Before(from) || one.at.After(during.To) {
			continue
		}
		came = append(came, one)
		for n := range r.steps {
			r.steps[n].count(one)
		}
	}
	r.logged, r.reached = len(came) > 0, len(came)
	if f.fault.Site == injector.Upstream && r.hits() > 0 {
		r.reached -= lastOnes(came, f.steps)
	}
}

// lastOnes counts the requests that were not hit though they may be meant: those
// that were alone on their connection. A connection that is older than the change
// of a listener serves one more request with the old filters, and is closed.
func lastOnes(came []hit, steps []trace) int {
	requests, hits := map[string]int{}, map[string]int{}
	for _, one := range came {
		requests[one.peer]++
		if slices.ContainsFunc(steps, func(s trace) bool {
			return slices.ContainsFunc(s.signs, func(sign injector.Sign) bool { return sign.ShownBy(one.flags, one.id) })
		}) {
			hits[one.peer]++
		}
	}
	alone := 0
	for peer, n := range requests {
		if n == 1 && hits[peer] == 0 && peer != "" {
			alone++
		}
	}
	return alone
}

// fromLogs is what the logs show.
func (f finding) fromLogs() Evidence {
	e := Evidence{Fault: f.fault.String()}
	for n := range f.steps {
		sum := fresh(f.steps[n : n+1])[0]
		logged := false
		for _, r := range f.readings {
			if n < len(r.steps) {
				logged = true
				sum.came += r.steps[n].came
				for i, hits := range r.steps[n].hit {
					sum.hit[i] += hits
				}
			}
		}
		if logged {
			e.add(sum)
		}
	}
	if e.Fired > 0 {
		e.Source = sourceLog
	}
	return e
}

// sees reports whether a logged request passed the hop.
func (h hop) sees(one hit) bool {
	cluster, ok := observe.ParseCluster(one.cluster)
	return ok && h.in(cluster)
}
