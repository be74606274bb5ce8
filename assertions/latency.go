package assertions

import (
	"fmt"
	"math"
	"strconv"

	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/internal/stats"
	"github.com/faultline-mesh/faultline/loadgen"
)

// Quantile is the share of requests, from 0 to 1, that were no slower.
type Quantile float64

// The usual quantiles; others are written as Quantile(0.999).
const (
	P50 Quantile = 0.50 // the median
	P90 Quantile = 0.90
	P95 Quantile = 0.95
	P99 Quantile = 0.99
	Max Quantile = 1 // the slowest request
)

// String returns the usual name: "p99", "p99.9", "max".
func (q Quantile) String() string {
	if q == Max {
		return "max"
	}
	return "p" + strconv.FormatFloat(roundNumber(float64(q)*100, 12), 'f', -1, 64)
}

// HaveLatency succeeds if the quantile q of the latencies is within bound:
// [AtLeast], [AtMost] or any gomega matcher for a time.Duration. Latency counts
// from the time the schedule intended, over all requests, errors included. It
// takes any value with a method LoadResult() loadgen.Result.
//
// A quantile q needs 1/(1-q) requests, P99 a hundred, and otherwise its error is
// [NoSamples]: of fewer it is the slowest request. Only when even the few are such
// as happen once in a million runs where the bound is kept does it fail. [Max]
// needs a single request.
//
// Of a request without an answer nobody knows how long it would have taken. Where
// so many have none that the quantile is one of them, an upper bound is not kept
// but open, which is a [NoSamples], too.
func HaveLatency(q Quantile, bound any) types.GomegaMatcher {
	const name = "HaveLatency"
	c := comparison{matcher: name, subject: q.String() + " latency", unit: duration, bound: bound}
	about := claim.Claim{Kind: claim.Latency, Quantile: float64(q), Range: c.limits()}
	return &matcher{text: c.text(), about: about, judge: func(actual any) (finding, error) {
		if !(0 <= q && q <= 1) { // so written that NaN is out, too
			return finding{}, fmt.Errorf("%s takes a quantile from 0 to 1, as P99, not %v", name, float64(q))
		}
		if err := c.check(); err != nil {
			return finding{}, err
		}
		result, err := requestsOf(name, actual)
		if err != nil {
			return finding{}, err
		}
		latency, _ := result.Quantile(float64(q))
		found, err := c.of(latency, result.String())
		if err != nil {
			return finding{}, err
		}
		if none := result.Count(0); found.holds && unknown(q, about.Range, none, result.Requests()) {
			return finding{}, tooFew(name, "%d of %s got no answer, so nobody knows how long %s of them takes; "+
				"make load.timeout longer than the bound, or find out why there are none (%s)", none, plural(result.Requests(), "request"), q, result)
		}
		return found, c.enough(about, result.Requests(), alphaOf(actual), !found.holds && tooSlow(q, about.Range, actual, result))
	}}
}

// unknown reports whether the quantile q, that must not be above the limits, is one
// of the requests without an answer.
func unknown(q Quantile, limits claim.Range, unanswered, of int) bool {
	return !math.IsInf(limits.High, 0) && float64(of-unanswered) < float64(q)*float64(of)
}

// tooSlow reports whether the requests, however few, contradict that their
// quantile q lies within limits: that at least the share q is not above the upper
// one, or at most q below the lower one. It also knows of too fast.
func tooSlow(q Quantile, limits claim.Range, actual any, result loadgen.Result) bool {
	within, below := 0, 0
	for _, s := range result.Samples {
		if seconds := s.Latency.Seconds(); seconds < limits.Low {
			below++
		} else if seconds <= limits.High {
			within++
		}
	}
	n, alpha := result.Requests(), alphaOf(actual)
	return !math.IsInf(limits.High, 0) && stats.Fewer(n, below+within, float64(q), alpha) ||
		!math.IsInf(limits.Low, 0) && stats.More(n, below, float64(q), alpha)
}
