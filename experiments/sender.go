// Whether the sender of the load kept up with its schedule.

package experiments

import (
	"cmp"
	"fmt"
	"time"

	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/loadgen"
)

// How late requests may leave before a run says more about its sender than about
// the mesh: a quarter of the tightest limit on a latency, for latencies count from
// the intended time, within these bounds.
const (
	leastLagBudget = 20 * time.Millisecond
	mostLagBudget  = 250 * time.Millisecond
)

// lagBudget is how late one in a hundred requests of e may leave.
func (e Experiment) lagBudget() time.Duration {
	budget := mostLagBudget
	for _, list := range [][]Matcher{e.SteadyState, e.Healthy, e.During, e.Recovered} {
		for _, m := range list {
			about, ok := claimOf(m)
			if limit := about.Range.High; ok && about.Kind == claim.Latency && limit < budget.Seconds()*4 {
				budget = max(leastLagBudget, time.Duration(limit*float64(time.Second)/4))
			}
		}
	}
	return budget
}

// lateSender says how far the sender of a phase's load lagged behind its schedule,
// and why, if that is too far.
func lateSender(o outcome, p Phase) string {
	budget := o.asked.lagBudget()
	lag, ok := p.Load.LagQuantile(0.99)
	if !ok || lag <= budget {
		return ""
	}
	where := map[string]string{DuringPhase: "fault phase"}
	text := fmt.Sprintf("the sender of the load was the bottleneck in the %s: of its %d requests one in a hundred left %s or more "+
		"after it was due, allowed are %s; ", cmp.Or(where[p.Name], p.Name), p.Load.Requests(), lag.Round(time.Millisecond), budget)
	limit := o.asked.Load.MaxInFlight
	if limit == 0 {
		limit = loadgen.DefaultMaxInFlight
	}
	if most := p.Load.MostInFlight(); most < limit {
		return text + fmt.Sprintf("only %d were on their way at once, so the machine that sends was too busy: give it more cores or lower load.rate", most)
	}
	return text + fmt.Sprintf("%d were on their way at once, as many as load.maxInFlight allows, so the others waited: raise it or lower load.rate", limit)
}
