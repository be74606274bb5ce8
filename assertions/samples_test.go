package assertions_test

import (
	"testing"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/loadgen"
)

// mostly is a load of which a few requests fail.
func mostly(n, failed int) loadgen.Result {
	r := load(n, 200)
	for i := range failed {
		r.Samples[i].Code = 503
	}
	return r
}

// What held also says what so many requests prove. The limits are those of
// Clopper and Pearson and, of none and all, of the rule of three in its exact
// form; they were computed with 60 digits and rounded outward.
func TestSharesSayWhatTheyProve(t *testing.T) {
	for _, c := range []struct {
		load  loadgen.Result
		alpha float64
		want  string
	}{
		{load(1, 200), 1e-6, "100% (1 request proves 0.0001% or more)"},
		{load(250, 200), 1e-6, "100% (250 requests prove 94.6% or more)"},
		{load(1000, 200), 1e-6, "100% (1000 requests prove 98.6% or more)"},
		{load(1000, 200), 0.05, "100% (1000 requests prove 99.7% or more)"},
		{load(1000, 200), 0, "100% (1000 requests prove 98.6% or more)"},
		{load(1000, 200), 0.5, "100% (1000 requests prove 98.6% or more)"},
		{mostly(400, 2), 1e-6, "99.5% (400 requests prove 95.1% to 99.9998%)"},
		{load(1000, 503), 1e-6, "0% (1000 requests prove 1.38% or less)"},
		{load(1000, 200, 503), 1e-6, "50% (1000 requests prove 42.2% to 57.8%)"},
		{load(10, 200, 200, 200, 200, 200, 200, 200, 503, 503, 503), 0.05, "70% (10 requests prove 34.7% to 93.4%)"},
	} {
		actual := judged{&phase{load: c.load}, c.alpha}
		got := HaveSuccessRate(AtMost(1)).(interface{ Measured(any) string }).Measured(actual)
		if got != c.want {
			t.Errorf("%s at %v: %q, want %q", c.load, c.alpha, got, c.want)
		}
	}
}

// Each matcher that draws on a test draws the line where the experiment does.
func TestAlphaOfThePhase(t *testing.T) {
	mesh := change(proxy("checkout-1", host(1, "v1", 60, 0), host(2, "v2", 40, 0)))
	for _, c := range []struct {
		matcher interface {
			Match(actual any) (bool, error)
			FailureMessage(actual any) string
		}
		strict, loose string // what is said with an alpha of one in a million, and of 0.05
	}{
		{
			HaveSplit("payments", "v2", 0.25), "",
			"Expected share of payments in subset v2 to be 25%, but it was 40%\n" +
				"    payments: 40 of 100 requests, so the share is from 30.3% to 50.3% (error 1 in 20); subset v1 60, subset v2 40",
		},
		{
			HaveDelayed(61_000_000, 0.25), "",
			"Expected share of requests delayed by 61ms to be 25%, but it was 40%\n" +
				"    40 of 100, so the share is from 30.3% to 50.3% (error 1 in 20); 100 requests, 100.0% ok (200 ×100), p50 50ms, p99 99ms",
		},
	} {
		for alpha, want := range map[float64]string{1e-6: c.strict, 0.05: c.loose} {
			actual := judged{&phase{load: load(100, 200), mesh: mesh}, alpha}
			holds, err := c.matcher.Match(actual)
			if err != nil || holds != (want == "") {
				t.Errorf("%s at %v: %t, %v", c.matcher, alpha, holds, err)
			}
			if got := c.matcher.FailureMessage(actual); want != "" && got != want {
				t.Errorf("%s at %v:\ngot  %s\nwant %s", c.matcher, alpha, got, want)
			}
		}
	}
}
