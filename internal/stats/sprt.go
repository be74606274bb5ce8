// Wald's sequential test of a share: it may be asked after every trial, and
// decides as soon as it can.

package stats

import "math"

// SPRT is Wald's sequential probability ratio test between two probabilities of
// success. Whichever of them is the true one, the other is decided for in at most
// the share Alpha of all sequences, however often one asks. Of a probability
// between them either decision may come, and most likely late.
type SPRT struct {
	Low, High float64 // Low < High
	Alpha     float64
}

// Decision is what a sequential test says of a sequence so far.
type Decision int

// The decisions. An [SPRT] decides between IsLow and IsHigh, a [ShareTest] between
// Within and Outside.
const (
	Undecided Decision = iota
	IsLow              // the probability is not High
	IsHigh             // the probability is not Low
	Within             // the claim is right
	Outside            // the claim is wrong
)

// Decide says what follows from k successes in n trials. The order of successes
// does not matter.
func (t SPRT) Decide(n, k int) Decision {
	ratio := t.log(n, k)
	switch limit := -math.Log(t.Alpha); { // of Ville's inequality, so that Alpha is kept exactly
	case ratio >= limit:
		return IsHigh
	case ratio <= -limit:
		return IsLow
	}
	return Undecided
}

// log is the logarithm of how much likelier High makes the sequence than Low.
func (t SPRT) log(n, k int) float64 {
	ratio := 0.0
	if k > 0 { // Low may be 0, and High 1
		ratio += float64(k) * t.gain()
	}
	if k < n {
		ratio += float64(n-k) * t.loss()
	}
	return ratio
}

func (t SPRT) gain() float64 { return math.Log(t.High) - math.Log(t.Low) }
func (t SPRT) loss() float64 { return math.Log1p(-t.High) - math.Log1p(-t.Low) }

// Expected returns about how many trials it takes to decide when p is the true
// probability: Low, High, or beyond them. It is Wald's approximation, a little
// less than the truth, for it passes over how far the last trial overshoots.
func (t SPRT) Expected(p float64) float64 {
	drift := p*t.gain() + (1-p)*t.loss()
	return -math.Log(t.Alpha) / math.Abs(drift)
}

// ShareTest is a sequential test of the claim that a probability lies within
// limits. A limit is told from what has half its odds and what has twice them; of
// limits that are equal, which make a single share, the share itself is told from
// both. Limits of 0 and less, and 1 and more, are none. A limit from which there
// must be no exception is decided by the first one, and never kept before the end.
type ShareTest struct{ Low, High, Alpha float64 }

// Decide says what follows from k successes in n trials, however often it is
// asked: a claim that is right is called wrong in at most the share Alpha of all
// sequences.
func (t ShareTest) Decide(n, k int) Decision {
	single := t.Low == t.High
	alpha := t.Alpha
	if single { // each side has its part of what may go wrong
		alpha /= 2
	}
	low := atLeast(n, k, t.Low, alpha, single)
	high := atLeast(n, n-k, 1-t.High, alpha, single) // at most is at least of the others
	switch {
	case low == Outside || high == Outside:
		return Outside
	case low == Within && high == Within:
		return Within
	}
	return Undecided
}

// atLeast tests the claim of a probability of p or more or, of a single share,
// that it is p and not one of half its odds.
func atLeast(n, k int, p, alpha float64, single bool) Decision {
	switch {
	case p <= 0:
		return Within
	case p >= 1 && k < n:
		return Outside
	case p >= 1:
		return Undecided
	}
	test := SPRT{Low: withOdds(p, 0.5), High: withOdds(p, 2), Alpha: alpha}
	if single {
		test.High = p
	}
	return map[Decision]Decision{Undecided: Undecided, IsLow: Outside, IsHigh: Within}[test.Decide(n, k)]
}

// withOdds returns the probability that has so many times the odds of p.
func withOdds(p, times float64) float64 {
	return times * p / (1 - p + times*p)
}
