package claim

import (
	"math"

	"github.com/faultline-mesh/faultline/internal/stats"
)

// Needed returns how many requests it takes at least to judge c, where a claim
// that is right may be called wrong in the share alpha of all runs: requests of
// the load or, for a Split, to the service. With fewer a matcher has no samples,
// unless the few rule its claim out already. The rules, one for each kind, stand
// in docs/verdicts.md.
func (c Claim) Needed(alpha float64) int {
	switch c.Kind {
	case SuccessRate, Status:
		return max(stats.TrialsToResolve(c.Range.Low), stats.TrialsToResolve(c.Range.High))
	case Latency:
		return stats.TrialsToResolve(c.Quantile)
	case Tries: // a mean of whole numbers: one try more or less must show
		return max(stats.TrialsToResolve(fraction(c.Range.Low)), stats.TrialsToResolve(fraction(c.Range.High)))
	case Split, Delayed:
		return stats.TrialsNeeded(c.Range.Low, alpha)
	default: // of events: one is enough, and none is none
		return 1
	}
}

// fraction returns what x has beyond a whole number; 0 of infinities.
func fraction(x float64) float64 {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return 0
	}
	return x - math.Floor(x)
}
