// Package binomial has the exact statistics of shares: how far from a measured
// share of independent draws the true one may lie.
package binomial

import "gonum.org/v1/gonum/mathext"

// Interval returns the Clopper-Pearson interval: every true share outside it
// would give k of n, or something farther off, with a probability below alpha/2
// on that side. It is exact, so it is never too narrow. With n zero it is all of
// [0, 1]. It panics unless 0 ≤ k ≤ n.
//
// It bisects the regularized incomplete beta function, because inverting it with
// gonum's Beta.Quantile is wrong in the far tails.
func Interval(k, n int, alpha float64) (low, high float64) {
	if k < 0 || k > n {
		panic("binomial: want 0 ≤ k ≤ n")
	}
	low, high = 0, 1
	if k > 0 { // P(at least k) = alpha/2
		low = bisect(func(p float64) bool { return mathext.RegIncBeta(float64(k), float64(n-k+1), p) < alpha/2 })
	}
	if k < n { // P(at most k) = alpha/2
		high = bisect(func(p float64) bool { return mathext.RegIncBeta(float64(n-k), float64(k+1), 1-p) > alpha/2 })
	}
	return low, high
}

// bisect finds where below, true at 0 and false at 1, changes.
func bisect(below func(float64) bool) float64 {
	low, high := 0.0, 1.0
	for range 200 {
		middle := (low + high) / 2
		if middle == low || middle == high {
			break
		}
		if below(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}
