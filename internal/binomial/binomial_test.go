package binomial_test

import (
	"math"
	"testing"

	"github.com/faultline-mesh/faultline/internal/binomial"
)

func TestIntervalKnownValues(t *testing.T) {
	for _, c := range []struct {
		name      string
		k, n      int
		alpha     float64
		low, high float64
	}{
		// Closed forms: with k = 0 the upper bound is 1-(alpha/2)^(1/n), with k = n the lower is (alpha/2)^(1/n).
		{"none of 10", 0, 10, 0.05, 0, 1 - math.Pow(0.025, 1.0/10)},
		{"all of 10", 10, 10, 0.05, math.Pow(0.025, 1.0/10), 1},
		{"none of 10000 in the far tail", 0, 10000, 1e-6, 0, 1 - math.Pow(5e-7, 1.0/10000)},
		{"all of 500 in the far tail", 500, 500, 1e-6, math.Pow(5e-7, 1.0/500), 1},
		// One of one draw: P(X ≥ 1) = p, so the lower bound is alpha/2 itself.
		{"one of one", 1, 1, 1e-6, 5e-7, 1},
		// Summed term by term with 60 decimal digits.
		{"5 of 50", 5, 50, 0.05, 0.0332750936, 0.2181353664},
		{"50 of 500", 50, 500, 0.05, 0.0751358151, 0.1297090857},
		{"50 of 500 in the far tail", 50, 500, 1e-6, 0.0466046412, 0.1795147833},
		{"nothing measured", 0, 0, 0.05, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			low, high := binomial.Interval(c.k, c.n, c.alpha)
			if math.Abs(low-c.low) > 1e-6*(1+c.low) || math.Abs(high-c.high) > 1e-6*(1+c.high) {
				t.Errorf("Interval(%d, %d, %g) = [%.8f, %.8f], want [%.8f, %.8f]", c.k, c.n, c.alpha, low, high, c.low, c.high)
			}
		})
	}
}

// The interval must contain a true share in all but alpha of the cases: summed
// exactly over all outcomes, tails included.
func TestIntervalCovers(t *testing.T) {
	const n, alpha = 60, 1e-3
	for _, p := range []float64{0.01, 0.1, 0.5, 0.9, 0.999} {
		missed := 0.0
		for k := 0; k <= n; k++ {
			low, high := binomial.Interval(k, n, alpha)
			if p < low || p > high {
				lg, _ := math.Lgamma(n + 1)
				lk, _ := math.Lgamma(float64(k) + 1)
				lr, _ := math.Lgamma(float64(n-k) + 1)
				missed += math.Exp(lg - lk - lr + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
			}
		}
		if missed > alpha {
			t.Errorf("true share %g is missed with probability %g, want at most %g", p, missed, alpha)
		}
	}
}

func TestIntervalRefusesNonsense(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Interval(2, 1, …) did not panic")
		}
	}()
	binomial.Interval(2, 1, 0.05)
}
