package stats

import (
	"math"
	"math/big"
	"testing"
)

// exactTails adds up the binomial distribution with 192 bits: the probability of
// at most k successes, and of at least k.
func exactTails(n, k int, p float64) (atMost, atLeast float64) {
	number := func(x float64) *big.Float { return new(big.Float).SetPrec(192).SetFloat64(x) }
	success := number(p)
	failure := number(1)
	failure.Sub(failure, success)
	odds := number(0).Quo(success, failure)
	term := number(1) // (1-p)ⁿ, by squaring
	for base, left := failure, n; left > 0; left >>= 1 {
		if left&1 == 1 {
			term.Mul(term, base)
		}
		base = number(0).Mul(base, base)
	}
	lower, upper, left, done := number(0), number(0), number(0), number(0)
	for j := 0; j <= n; j++ {
		if j <= k {
			lower.Add(lower, term)
		}
		if j >= k {
			upper.Add(upper, term)
			if float64(j) > float64(n)*p && term.MantExp(nil) < upper.MantExp(nil)-100 {
				break // what follows is nothing
			}
		}
		term.Mul(term, odds)
		term.Mul(term, left.SetInt64(int64(n-j)))
		term.Quo(term, done.SetInt64(int64(j+1)))
	}
	atMost, _ = lower.Float64()
	atLeast, _ = upper.Float64()
	return atMost, atLeast
}

// Both tails, from the middle to far out, against the sum with 192 bits.
func TestTailsAgainstAnExactSum(t *testing.T) {
	const precise = 1e-9 // relative; the logarithm of the gamma function leaves that much at 100,000
	for _, n := range []int{1, 7, 100, 2000, 100_000} {
		for _, p := range []float64{1e-4, 0.01, 0.1, 0.5, 0.9, 0.999} {
			if n == 100_000 && p > 0.01 {
				continue // to save time
			}
			mean, deviation := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
			for _, deviations := range []float64{-8, -4, 0, 4, 8} {
				k := int(math.Round(mean + deviations*deviation))
				if k < 0 || k > n {
					continue
				}
				atMost, atLeast := exactTails(n, k, p)
				if got := atMostProb(n, k, p); math.Abs(got/atMost-1) > precise {
					t.Errorf("P(X ≤ %d) of %d × %v = %v, want %v", k, n, p, got, atMost)
				}
				if got := atLeastProb(n, k, p); math.Abs(got/atLeast-1) > precise {
					t.Errorf("P(X ≥ %d) of %d × %v = %v, want %v", k, n, p, got, atLeast)
				}
			}
		}
	}
}

func upperTail(n, k int, p float64) float64 {
	if p <= 0 {
		return 0
	}
	_, tail := exactTails(n, k, p)
	return tail
}

func lowerTail(n, k int, p float64) float64 {
	if p >= 1 {
		return 0
	}
	tail, _ := exactTails(n, k, p)
	return tail
}

// What makes an interval one of Clopper and Pearson: at each of its ends the tail
// that leads to it has just half of alpha.
func TestIntervalAgainstAnExactSum(t *testing.T) {
	for _, alpha := range []float64{0.05, 1e-3, 1e-6, 1e-9} {
		for _, s := range []struct{ n, k int }{
			{1, 0},
			{1, 1},
			{20, 7},
			{300, 0},
			{300, 1},
			{300, 299},
			{300, 300},
			{5000, 500},
			{5000, 4990},
			{100_000, 0},
			{100_000, 3},
			{100_000, 2000},
		} {
			low, high := Interval(s.n, s.k, alpha)
			if tail := upperTail(s.n, s.k, low); s.k > 0 && math.Abs(tail/(alpha/2)-1) > 1e-7 {
				t.Errorf("%d of %d at %v: from %v, where the tail has %v", s.k, s.n, alpha, low, tail)
			}
			if tail := lowerTail(s.n, s.k, high); s.k < s.n && math.Abs(tail/(alpha/2)-1) > 1e-7 {
				t.Errorf("%d of %d at %v: to %v, where the tail has %v", s.k, s.n, alpha, high, tail)
			}
			if (s.k == 0) != (low == 0) || (s.k == s.n) != (high == 1) {
				t.Errorf("%d of %d at %v: %v to %v", s.k, s.n, alpha, low, high)
			}
		}
	}
}
