package assertions

import (
	"fmt"
	"math"

	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/internal/stats"
)

// sample is how many of some requests were of the kind that a share counts.
type sample struct {
	n, k  int
	alpha float64
}

// sampleOf is a sample to be judged with the alpha of actual: that of a value with
// a method Alpha() float64, as phases of a report have it, or the usual one.
func sampleOf(actual any, n, k int) sample {
	return sample{n: n, k: k, alpha: alphaOf(actual)}
}

func alphaOf(actual any) float64 {
	if says, ok := actual.(interface{ Alpha() float64 }); ok && !isNil(actual) {
		if alpha := says.Alpha(); 0 < alpha && alpha <= stats.MaxAlpha {
			return alpha
		}
	}
	return stats.DefaultAlpha
}

// share is the measured one.
func (s sample) share() float64 { return float64(s.k) / float64(s.n) }

// rulesOut reports whether the sample, however small, contradicts a share within
// limits.
func (s sample) rulesOut(limits claim.Range) bool {
	return stats.Fewer(s.n, s.k, limits.Low, s.alpha) || stats.More(s.n, s.k, limits.High, s.alpha)
}

// proves says which share the sample proves, if requests fail or not without
// regard to each other: "250 requests prove 94.6% or more".
func (s sample) proves() string {
	low, high := stats.Interval(s.n, s.k, s.alpha)
	verb := "prove"
	if s.n == 1 {
		verb = "proves"
	}
	text := fmt.Sprintf("%s %s ", plural(uint64(s.n), "request"), verb)
	switch s.k {
	case s.n:
		return text + outward(1-stats.NoneIn(s.n, s.alpha), math.Floor) + " or more"
	case 0:
		return text + outward(stats.NoneIn(s.n, s.alpha), math.Ceil) + " or less"
	}
	return text + outward(low, math.Floor) + " to " + outward(high, math.Ceil)
}

// outward prints a bound of a share with three digits, rounded so that it claims
// less and not more.
func outward(v float64, round func(float64) float64) string {
	percent := 100 * v
	if percent <= 0 {
		return "0%"
	}
	rounded := digits(percent, 3, round)
	if rounded == 100 && v < 1 { // all is not what so few prove: 99.994%
		rounded = 100 - digits(100-percent, 1, math.Floor)
	}
	return share.exact(rounded / 100)
}

// digits rounds a positive number to so many significant digits.
func digits(x float64, n int, round func(float64) float64) float64 {
	scale := math.Pow(10, float64(n-1)-math.Floor(math.Log10(x)))
	return round(x*scale) / scale
}

// errorOf says how often what alpha allows is wrong: "1 in a million".
func errorOf(alpha float64) string {
	if alpha == stats.DefaultAlpha {
		return "1 in a million"
	}
	return fmt.Sprintf("1 in %.0f", 1/alpha)
}

// ofShare judges a share by a bound that was checked. Too few requests never pass,
// and fail only when even they contradict the bound.
func (c comparison) ofShare(about claim.Claim, s sample, evidence string) (finding, error) {
	found, err := c.of(s.share(), evidence)
	if err != nil {
		return finding{}, err
	}
	found.measured += " (" + s.proves() + ")"
	return found, c.enough(about, s.n, s.alpha, !found.holds && s.rulesOut(about.Range))
}

// enough returns nil when n requests are enough for a claim, or the few there are
// contradict it all the same.
func (c comparison) enough(about claim.Claim, n int, alpha float64, ruledOut bool) error {
	if needed := about.Needed(alpha); n < needed && !ruledOut {
		return tooFew(c.matcher, "%s, of which %q needs %d", plural(uint64(n), "request"), c.text(), needed)
	}
	return nil
}
