// Whether the sender of the load kept up with its schedule.

package experiments

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/loadgen"
)

// How late requests may leave before a phase says more about its sender than about
// the mesh.
const (
	lagBudget      = 250 * time.Millisecond // of one request in a hundred
	leastLagBudget = 20 * time.Millisecond  // what a machine that is not at rest may take at any time
)

// lagLimit says how late the share quantile of the requests may leave.
type lagLimit struct {
	quantile float64
	budget   time.Duration
}

// lagLimits are those of a phase. Latencies count from the intended time, so each
// claim on one adds a quarter of its limit, at its own quantile.
func (e Experiment) lagLimits(phase string) []lagLimit {
	limits := []lagLimit{{0.99, lagBudget}}
	for _, c := range e.claims() {
		within := slices.Contains(c.Phases, preflight.Phase(phase))
		if within && c.Kind == claim.Latency && !math.IsInf(c.Range.High, 0) {
			quarter := time.Duration(c.Range.High * float64(time.Second) / 4)
			limits = append(limits, lagLimit{c.Quantile, max(quarter, leastLagBudget)})
		}
	}
	return limits
}

// lateSender says how far the sender of a phase's load lagged behind its schedule,
// and why, if that is too far.
func lateSender(o outcome, p Phase) string {
	for _, limit := range o.asked.lagLimits(p.Name) {
		lag, ok := p.Load.LagQuantile(limit.quantile)
		if !ok || lag <= limit.budget {
			continue
		}
		where := map[string]string{DuringPhase: "fault phase"}
		return fmt.Sprintf("the sender of the load was the bottleneck in the %s: its %d requests left late, by %s at %s, of which %s are allowed; %s",
			cmp.Or(where[p.Name], p.Name), p.Load.Requests(), lag.Round(time.Millisecond), quantileName(limit.quantile), limit.budget,
			sendersTrouble(p.Load.MostInFlight(), cmp.Or(o.asked.Load.MaxInFlight, loadgen.DefaultMaxInFlight)))
	}
	return ""
}

// sendersTrouble says what kept the sender.
func sendersTrouble(most, limit int) string {
	if most < limit {
		return fmt.Sprintf("only %d were on their way at once, so the machine that sends was too busy: give it more cores or lower load.rate", most)
	}
	return fmt.Sprintf("%d were on their way at once, as many as load.maxInFlight allows, so the others waited: raise it or lower load.rate", limit)
}

func quantileName(q float64) string {
	if q == 1 {
		return "most"
	}
	return "p" + strconv.FormatFloat(math.Round(q*1e6)/1e4, 'f', -1, 64)
}
