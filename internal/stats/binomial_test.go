package stats

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mathext"
)

// near reports whether got is want but for rounding.
func near(got, want float64) bool {
	if want == 0 || want == 1 {
		return got == want
	}
	return math.Abs(got/want-1) < 1e-9
}

// The wanted values were computed with 60 digits by adding up the distribution.
func TestBinomialTailsAreExact(t *testing.T) {
	tests := []struct {
		n, k            int
		p               float64
		atMost, atLeast float64
	}{
		{10, 3, 0.5, 0.171875, 0.9453125},
		{1000, 100, 0.1, 0.5265990812951649, 0.51541770956592054},
		{1000, 40, 0.1, 1.0419950326403854e-12, 0.99999999999961546},
		{10_000, 10, 0.01, 7.5627733291516516e-31, 1},
		{100_000, 0, 0.001, 3.538527688343435e-44, 1},
		{1000, 999, 0.5, 1, 9.341968821217221e-299},
		// certain whatever the numbers
		{10, 10, 0.3, 1, 0.3 * 0.3 * 0.3 * 0.3 * 0.3 * 0.3 * 0.3 * 0.3 * 0.3 * 0.3},
		{10, -1, 0.3, 0, 1},
		{10, 11, 0.3, 1, 0},
		{10, 0, 0, 1, 1},
		{10, 1, 0, 1, 0},
		{10, 9, 1, 0, 1},
		{10, 10, 1, 1, 1},
	}
	for _, test := range tests {
		if got := atMostProb(test.n, test.k, test.p); !near(got, test.atMost) {
			t.Errorf("P(X ≤ %d) of %d × %v = %v, want %v", test.k, test.n, test.p, got, test.atMost)
		}
		if got := atLeastProb(test.n, test.k, test.p); !near(got, test.atLeast) {
			t.Errorf("P(X ≥ %d) of %d × %v = %v, want %v", test.k, test.n, test.p, got, test.atLeast)
		}
	}
}

// The incomplete beta function is another way to the same numbers.
func TestBinomialTailsAreThoseOfTheBetaFunction(t *testing.T) {
	checked := 0
	for _, n := range []int{1, 2, 7, 50, 1000, 20_000, 1_000_000} {
		for _, p := range []float64{1e-6, 0.001, 0.1, 0.5, 0.9, 0.999} {
			mean, deviation := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
			for _, deviations := range []float64{-9, -5, -1, 0, 1, 5, 9} {
				k := int(mean + deviations*deviation)
				if k < 1 || k > n {
					continue
				}
				checked++
				want := mathext.RegIncBeta(float64(k), float64(n-k+1), p)
				if got := atLeastProb(n, k, p); math.Abs(got/want-1) > 1e-7 {
					t.Errorf("P(X ≥ %d) of %d × %v = %v, want %v", k, n, p, got, want)
				}
				want = mathext.RegIncBeta(float64(n-k+1), float64(k), 1-p)
				if got := atMostProb(n, k-1, p); math.Abs(got/want-1) > 1e-7 {
					t.Errorf("P(X ≤ %d) of %d × %v = %v, want %v", k-1, n, p, got, want)
				}
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d tails were checked", checked)
	}
}

// The wanted values were computed with 60 digits; those at 0.05 stand in tables.
func TestBinomialIntervalIsExact(t *testing.T) {
	tests := []struct {
		n, k      int
		alpha     float64
		low, high float64
	}{
		{10, 3, 0.05, 0.066739511177734467, 0.6524528500599973},
		{20, 10, 0.05, 0.27195784956079181, 0.72804215043920819},
		{10, 0, 0.05, 0, 0.30849710781876082},
		{1, 1, 1e-6, 5e-7, 1},
		{50, 50, 1e-6, 0.74813401338904599, 1},
		{100, 5, 1e-6, 0.0014952727546638286, 0.23628730198926304},
		{1000, 152, 1e-6, 0.10185834823946777, 0.21352507581760244},
		{1000, 0, 1e-6, 0, 0.014403914337756275},
		// where quantiles of the beta distribution have been seen to be 0.999999
		{10_000, 0, 1e-6, 0, 0.0014498137769358342},
		{100_000, 5, 1e-6, 1.4663357624432642e-6, 0.00026260500557319648},
		{1_000_000, 1, 1e-6, 5.0000012499991667e-13, 1.742207195759903e-5},
	}
	for _, test := range tests {
		low, high := Interval(test.n, test.k, test.alpha)
		if !near(low, test.low) || !near(high, test.high) {
			t.Errorf("%d of %d at %v: %v to %v, want %v to %v", test.k, test.n, test.alpha, low, high, test.low, test.high)
		}
	}
}

// What a test at level alpha promises, added up over all that can happen.
func TestBinomialTestErrsAsRarelyAsItPromises(t *testing.T) {
	for _, alpha := range []float64{0.05, 1e-6} {
		for _, n := range []int{1, 10, 137, 500} {
			for _, p := range []float64{0.01, 0.1, 0.5, 0.77, 0.99} {
				wrong, rejectsNone := 0.0, true
				for k := range n + 1 {
					if Rejects(n, k, p, alpha) {
						wrong += exactlyProb(n, k, p)
						rejectsNone = false
					}
				}
				if wrong > alpha {
					t.Errorf("n %d, p %v: wrong in %v of all runs, promised %v", n, p, wrong, alpha)
				}
				if enough := n >= TrialsNeeded(p, alpha); enough && rejectsNone {
					t.Errorf("n %d, p %v: a test at %v that rejects nothing", n, p, alpha)
				}
			}
		}
	}
}

func TestBinomialTestRejectsWhatIsOutsideOfTheInterval(t *testing.T) {
	for _, n := range []int{1, 20, 300} {
		for k := range n + 1 {
			low, high := Interval(n, k, 1e-6)
			for _, p := range []float64{0, low * 0.999, low * 1.001, 0.1, 0.5, high * 0.999, min(high*1.001, 1), 1} {
				outside := p < low || p > high
				if Rejects(n, k, p, 1e-6) != outside {
					t.Errorf("%d of %d, interval %v to %v: p %v rejected is %t", k, n, low, high, p, !outside)
				}
			}
		}
	}
}

func TestTrialsNeeded(t *testing.T) {
	for p, want := range map[float64]int{0: 1, 1: 1, 0.5: 21, 0.1: 138, 0.9: 138, 0.01: 1444} {
		n := TrialsNeeded(p, 1e-6)
		if n != want {
			t.Errorf("TrialsNeeded(%v) = %d, want %d", p, n, want)
		}
		if p == 0 || p == 1 {
			continue
		}
		rejects := func(n int) bool { return Rejects(n, 0, p, 1e-6) && Rejects(n, n, p, 1e-6) }
		if !rejects(n) || rejects(n-1) {
			t.Errorf("p %v: rejects none and all with %d trials is %t, with one less %t", p, n, rejects(n), rejects(n-1))
		}
	}
}

// The rule of three: the wanted values were computed with 60 digits.
func TestNoneIn(t *testing.T) {
	for _, test := range []struct {
		n     int
		alpha float64
		want  float64
	}{
		{0, 0.05, 1},
		{1, 0.05, 0.95},
		{1000, 0.05, 0.00299124954509529624},
		{1000, 1e-6, 0.0137205143687895284},
		{10_000, 1e-6, 0.00138059715347536450},
		{100_000, 1e-9, 0.000207211187165320525},
	} {
		got := NoneIn(test.n, test.alpha)
		if !near(got, test.want) {
			t.Errorf("none in %d at %v: %v, want %v", test.n, test.alpha, got, test.want)
		}
		if test.n > 0 && (Fewer(test.n, 0, got*0.999999, test.alpha) || !Fewer(test.n, 0, got*1.000001, test.alpha)) {
			t.Errorf("none in %d at %v: %v is not where the test turns", test.n, test.alpha, got)
		}
	}
}

// With one side the limits of the interval at twice alpha are where the tests turn.
func TestOneSidedTests(t *testing.T) {
	for _, alpha := range []float64{0.05, 1e-6, 1e-9} {
		for _, s := range []struct{ n, k int }{{20, 5}, {300, 299}, {1000, 1}, {100_000, 50_000}, {50, 0}, {50, 50}} {
			low, high := Interval(s.n, s.k, 2*alpha)
			if low > 0 && (!More(s.n, s.k, low*(1-1e-6), alpha) || More(s.n, s.k, low*(1+1e-6), alpha)) {
				t.Errorf("%d of %d at %v: more than %v turns elsewhere", s.k, s.n, alpha, low)
			}
			if high < 1 && (!Fewer(s.n, s.k, high*(1+1e-6), alpha) || Fewer(s.n, s.k, high*(1-1e-6), alpha)) {
				t.Errorf("%d of %d at %v: fewer than %v turns elsewhere", s.k, s.n, alpha, high)
			}
			if More(s.n, s.k, 1, alpha) || Fewer(s.n, s.k, 0, alpha) || More(s.n, s.k, math.Inf(1), alpha) || Fewer(s.n, s.k, math.Inf(-1), alpha) {
				t.Errorf("%d of %d at %v contradict what cannot be contradicted", s.k, s.n, alpha)
			}
		}
	}
}
