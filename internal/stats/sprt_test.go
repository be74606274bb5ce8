package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// passage adds up, over all sequences, what a test decides when it is asked after
// each trial: how often each decision is the first one, and after how many trials
// on average. It ends when hardly a sequence is left undecided.
func passage(t *testing.T, p float64, decide func(n, k int) Decision) (first map[Decision]float64, trials float64) {
	t.Helper()
	const most = 20_000
	first = map[Decision]float64{}
	open := []float64{1} // probability of k successes so far and no decision
	for n := 1; n <= most; n++ {
		next := make([]float64, n+1)
		left := 0.0
		for k, chance := range open {
			if chance == 0 {
				continue
			}
			next[k] += chance * (1 - p)
			next[k+1] += chance * p
		}
		for k, chance := range next {
			if chance == 0 {
				continue
			}
			if d := decide(n, k); d != Undecided {
				first[d] += chance
				trials += chance * float64(n)
				next[k] = 0
			}
			left += next[k]
		}
		if left < 1e-13 {
			return first, trials
		}
		open = next
	}
	t.Fatalf("p %v: sequences are open after %d trials", p, most)
	return nil, 0
}

// Added up exactly: either error is as rare as promised, and not much rarer, for
// a test that hardly ever errs asks too much; the trials are as Wald has them.
func TestSPRTErrsAsRarelyAsItPromises(t *testing.T) {
	for _, test := range []SPRT{
		{0.1, 0.15, 0.05}, {0.1, 0.2, 1e-3}, {0.1, 0.2, 1e-6}, {0.4, 0.6, 1e-6}, {0.98, 0.995, 0.01}, {0.3, 0.7, 1e-9},
	} {
		for _, truth := range []struct {
			p     float64
			wrong Decision
		}{{test.Low, IsHigh}, {test.High, IsLow}} {
			first, trials := passage(t, truth.p, test.Decide)
			if wrong := first[truth.wrong]; wrong > test.Alpha || wrong < test.Alpha/10 {
				t.Errorf("%+v of %v: wrong in %v of all sequences", test, truth.p, wrong)
			}
			if wald := test.Expected(truth.p); trials < wald*0.8 || trials > wald*1.3 {
				t.Errorf("%+v of %v: %v trials, expected %v", test, truth.p, trials, wald)
			}
		}
	}
}

// Outside of both probabilities it errs more rarely, and is faster.
func TestSPRTBeyondItsProbabilities(t *testing.T) {
	test := SPRT{Low: 0.1, High: 0.2, Alpha: 0.01}
	for p, right := range map[float64]Decision{0.02: IsLow, 0.05: IsLow, 0.3: IsHigh, 0.9: IsHigh} {
		first, trials := passage(t, p, test.Decide)
		if first[right] < 1-1e-4 || trials > test.Expected(0.1) {
			t.Errorf("p %v: %v after %v trials", p, first, trials)
		}
	}
}

func TestSPRTAtTheEdges(t *testing.T) {
	for _, test := range []struct {
		test SPRT
		n, k int
		want Decision
	}{
		{SPRT{0, 0.5, 1e-6}, 0, 0, Undecided},
		{SPRT{0, 0.5, 1e-6}, 1, 1, IsHigh}, // impossible where the probability is 0
		{SPRT{0, 0.5, 1e-6}, 19, 0, Undecided},
		{SPRT{0, 0.5, 1e-6}, 20, 0, IsLow}, // 2⁻²⁰ is less than 1e-6
		{SPRT{0.5, 1, 1e-6}, 20, 20, IsHigh},
		{SPRT{0.5, 1, 1e-6}, 1000, 999, IsLow},
	} {
		if got := test.test.Decide(test.n, test.k); got != test.want {
			t.Errorf("%+v: %d of %d: %v, want %v", test.test, test.k, test.n, got, test.want)
		}
	}
}

// A claim that is right is hardly ever called wrong, added up exactly.
func TestShareTestErrsAsRarelyAsItPromises(t *testing.T) {
	for _, c := range []struct {
		test ShareTest
		p    float64 // the true one
		want Decision
	}{
		{ShareTest{0.9, math.Inf(1), 0.01}, 0.948, Within}, // twice the odds
		{ShareTest{0.9, 1, 0.01}, 0.99, Within},
		{ShareTest{0.9, math.Inf(1), 0.01}, 0.818, Outside}, // half the odds
		{ShareTest{0.5, 1, 1e-6}, 0.667, Within},
		{ShareTest{math.Inf(-1), 0.1, 0.01}, 0.0526, Within},
		{ShareTest{0, 0.1, 0.01}, 0.182, Outside},
		{ShareTest{0.1, 0.1, 0.01}, 0.1, Within},
		{ShareTest{0.1, 0.1, 0.01}, 0.182, Outside},
		{ShareTest{0.1, 0.1, 0.01}, 0.0526, Outside},
		{ShareTest{0.5, 0.5, 1e-6}, 0.5, Within},
		{ShareTest{0.5, 0.5, 1e-6}, 1, Outside},
	} {
		first, _ := passage(t, c.p, c.test.Decide)
		if wrong := 1 - first[c.want]; wrong > c.test.Alpha+1e-12 {
			t.Errorf("%+v of %v: wrong in %v of all sequences: %v", c.test, c.p, wrong, first)
		}
	}
}

func TestShareTestOfNoExceptions(t *testing.T) {
	for _, c := range []struct {
		test ShareTest
		n, k int
		want Decision
	}{
		{ShareTest{1, math.Inf(1), 1e-6}, 100_000, 100_000, Undecided},
		{ShareTest{1, math.Inf(1), 1e-6}, 2, 1, Outside},
		{ShareTest{math.Inf(-1), 0, 1e-6}, 100_000, 0, Undecided},
		{ShareTest{math.Inf(-1), 0, 1e-6}, 2, 1, Outside},
		{ShareTest{1, 1, 1e-6}, 100_000, 100_000, Undecided},
		{ShareTest{0, 0, 1e-6}, 10, 1, Outside},
		{ShareTest{math.Inf(-1), math.Inf(1), 1e-6}, 10, 1, Within}, // asks nothing
		{ShareTest{0.99, math.Inf(1), 1e-6}, 10, 0, Undecided},
		{ShareTest{0.99, math.Inf(1), 1e-6}, 11, 0, Outside}, // four times as likely each
		{ShareTest{0.99, math.Inf(1), 1e-6}, 923, 923, Undecided},
		{ShareTest{0.99, math.Inf(1), 1e-6}, 924, 924, Within},
	} {
		if got := c.test.Decide(c.n, c.k); got != c.want {
			t.Errorf("%+v: %d of %d: %v, want %v", c.test, c.k, c.n, got, c.want)
		}
	}
}

// What is added up above, drawn: with a fixed seed, and margins of six deviations.
func TestSPRTAsDrawn(t *testing.T) {
	const runs = 20_000
	test := SPRT{Low: 0.1, High: 0.2, Alpha: 0.05}
	draw := rand.New(rand.NewPCG(1, 2))
	wrong := 0
	for range runs {
		n, k := 0, 0
		for test.Decide(n, k) == Undecided {
			n++
			if draw.Float64() < test.Low {
				k++
			}
		}
		if test.Decide(n, k) == IsHigh {
			wrong++
		}
	}
	if limit := runs*test.Alpha + 6*math.Sqrt(runs*test.Alpha); float64(wrong) > limit || wrong < runs/100 {
		t.Errorf("wrong in %d of %d sequences, promised at most %v", wrong, runs, runs*test.Alpha)
	}
}
