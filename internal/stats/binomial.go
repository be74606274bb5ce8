// Shares of independent draws: tails, intervals and tests of the binomial
// distribution.

package stats

import "math"

// atMostProb returns the probability of at most k successes in n trials, each
// of which succeeds with probability p.
func atMostProb(n, k int, p float64) float64 {
	switch {
	case k >= n:
		return 1
	case k < 0:
		return 0
	case p <= 0:
		return 1
	case p >= 1:
		return 0
	case float64(k) >= float64(n)*p: // the other side is the smaller one
		return 1 - upperSum(n, k+1, p)
	}
	return lowerSum(n, k, p)
}

// atLeastProb returns the probability of at least k successes in n trials, each
// of which succeeds with probability p.
func atLeastProb(n, k int, p float64) float64 {
	switch {
	case k <= 0:
		return 1
	case k > n:
		return 0
	case p >= 1:
		return 1
	case p <= 0:
		return 0
	case float64(k) <= float64(n)*p:
		return 1 - lowerSum(n, k-1, p)
	}
	return upperSum(n, k, p)
}

// lowerSum adds up the probabilities of k, k-1, … 0 successes; k is below the
// mean, so that each is smaller than the one before.
func lowerSum(n, k int, p float64) float64 {
	term := exactlyProb(n, k, p)
	sum := term
	for odds := (1 - p) / p; k > 0 && term > sum*1e-17; k-- {
		term *= float64(k) / float64(n-k+1) * odds
		sum += term
	}
	return sum
}

// upperSum adds up the probabilities of k, k+1, … n successes; k is above the
// mean, so that each is smaller than the one before.
func upperSum(n, k int, p float64) float64 {
	term := exactlyProb(n, k, p)
	sum := term
	for odds := p / (1 - p); k < n && term > sum*1e-17; k++ {
		term *= float64(n-k) / float64(k+1) * odds
		sum += term
	}
	return sum
}

// exactlyProb returns the probability of exactly k successes; p is neither 0 nor 1.
func exactlyProb(n, k int, p float64) float64 {
	choices := logFactorial(n) - logFactorial(k) - logFactorial(n-k)
	return math.Exp(choices + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

func logFactorial(n int) float64 {
	log, _ := math.Lgamma(float64(n) + 1)
	return log
}

// Interval returns the Clopper-Pearson interval of the probability of
// success after k successes in n trials: whatever the true value, it lies
// outside in at most the share alpha of all experiments.
func Interval(n, k int, alpha float64) (low, high float64) {
	low, high = 0, 1
	measured := float64(k) / float64(n)
	if k > 0 {
		low = bisect(0, measured, func(p float64) bool { return atLeastProb(n, k, p) < alpha/2 })
	}
	if k < n {
		high = bisect(measured, 1, func(p float64) bool { return atMostProb(n, k, p) >= alpha/2 })
	}
	return low, high
}

// bisect returns where below, which holds at low and not at high, ceases to.
func bisect(low, high float64, below func(float64) bool) float64 {
	for {
		middle := low + (high-low)/2
		switch {
		case middle <= low || middle >= high:
			return middle
		case below(middle):
			low = middle
		default:
			high = middle
		}
	}
}

// Rejects reports whether k successes in n trials contradict the
// probability p: an exact two-sided test at level alpha. It rejects what lies
// outside of the Clopper-Pearson interval. Of 1 and 0 any exception is one too
// many.
func Rejects(n, k int, p, alpha float64) bool {
	return atMostProb(n, k, p) < alpha/2 || atLeastProb(n, k, p) < alpha/2
}

// Fewer reports whether k successes in n trials are so few that they contradict
// a probability of p or more: an exact one-sided test at level alpha.
func Fewer(n, k int, p, alpha float64) bool { return atMostProb(n, k, p) < alpha }

// More reports whether k successes in n trials are so many that they contradict a
// probability of p or less: an exact one-sided test at level alpha.
func More(n, k int, p, alpha float64) bool { return atLeastProb(n, k, p) < alpha }

// NoneIn returns the largest probability of success that n trials without any do
// not contradict at level alpha: 1-alpha^(1/n), of which the rule of three, 3/n,
// is the approximation for an alpha of 0.05. It is 1 without trials.
func NoneIn(n int, alpha float64) float64 {
	if n <= 0 {
		return 1
	}
	return -math.Expm1(math.Log(alpha) / float64(n))
}

// TrialsNeeded returns from how many trials on [Rejects] at least rejects
// that nothing, or everything, was a success where p was asked. With fewer
// trials any outcome would do, and the test says nothing.
func TrialsNeeded(p, alpha float64) int {
	rarer := max(p, 1-p)
	if rarer >= 1 {
		return 1
	}
	return whole(math.Log(alpha/2) / math.Log(rarer))
}
