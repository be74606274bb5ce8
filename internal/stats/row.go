// How long one waits for a row of errors, and how many requests tell a share from
// all or none.

package stats

import "math"

// TrialsUntilRow returns the expected number of independent trials until n
// failures have come one after the other, where each trial fails with
// probability p: (1-pⁿ)/((1-p)pⁿ). It is +Inf where p is 0, and n where p is 1.
// A host on which the share p of requests fails is taken out by an outlier
// detection of n consecutive errors after that many requests, on average.
func TrialsUntilRow(n int, p float64) float64 {
	switch {
	case n <= 0:
		return 0
	case p <= 0:
		return math.Inf(1)
	case p >= 1:
		return float64(n)
	}
	// The sum of 1/p, 1/p², … 1/pⁿ; it loses nothing for p near 1.
	sum, term := 0.0, 1.0
	for range n {
		term /= p
		sum += term
		if math.IsInf(sum, 1) {
			break
		}
	}
	return sum
}

// TrialsToResolve returns how many trials it takes at least for one more or one
// less success to tell a share from none and from all: 1/s or 1/(1-s), whichever
// is more, rounded up. With fewer, "at least 99%" says no more than "all". It is
// 1 where s is 0 or 1 or no share.
func TrialsToResolve(s float64) int {
	rarer := min(s, 1-s)
	if !(rarer > 0) { // so written that NaN is out, too
		return 1
	}
	n := 1 / rarer
	return whole(n - n*1e-9) // 1/(1-0.9) is a hair above 10
}

// whole rounds a number of trials up; it is at least 1, and never more than an
// int of 32 bits holds.
func whole(n float64) int { return int(min(max(math.Ceil(n), 1), math.MaxInt32)) }
