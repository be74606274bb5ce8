package experiments

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/internal/claim"
)

func TestClaims(t *testing.T) {
	e := Experiment{
		SteadyState: []Matcher{gomega.BeNil(), assertions.HaveSuccessRate(assertions.AtLeast(0.99))},
		Healthy:     []Matcher{assertions.HaveLatency(assertions.P50, assertions.AtMost(time.Second))},
		During:      []Matcher{assertions.HaveSplit("payments", "v2", 0.1)},
		Recovered:   []Matcher{assertions.HaveReadmitted("payments")},
		HaltWhen:    []Matcher{assertions.HaveSuccessRate(assertions.AtMost(0.5))},
	}
	want := []preflight.Claimed{
		{
			Claim: claim.Claim{Kind: claim.SuccessRate, Range: claim.AtLeast(0.99), Samples: 100}, Field: "steadyState[1]",
			Phases: []preflight.Phase{preflight.Baseline, preflight.During, preflight.Recovery},
		},
		{
			Claim: claim.Claim{Kind: claim.Latency, Quantile: 0.5, Range: claim.AtMost(1), Samples: 2}, Field: "healthy[0]",
			Phases: []preflight.Phase{preflight.Baseline, preflight.Recovery},
		},
		{
			Claim: claim.Claim{
				Kind: claim.Split, Service: "payments", Subset: "v2", Range: claim.Range{Low: 0.1, High: 0.1}, Samples: 138,
			},
			Field: "during[0]", Phases: []preflight.Phase{preflight.During},
		},
		{
			Claim: claim.Claim{Kind: claim.Readmitted, Service: "payments", Range: claim.Any(), Samples: 1}, Field: "recovered[0]",
			Phases: []preflight.Phase{preflight.Recovery},
		},
	}
	if diff := cmp.Diff(want, e.claims()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The alpha of the experiment is in the phases, for its matchers to judge by, and
// in what its claims need.
func TestAlphaReachesTheMatchers(t *testing.T) {
	for given, want := range map[float64]float64{0: DefaultAlpha, 0.01: 0.01} {
		e := newTarget(t).experiment()
		asked := 0
		e.Alpha = given
		e.SteadyState = []Matcher{matches(func(actual any) (bool, error) {
			asked++
			if got := actual.(Phase).Alpha(); got != want {
				t.Errorf("given %v: judged with %v, want %v", given, got, want)
			}
			return true, nil
		})}
		if report, err := newFakeAPI(t).runner(t).Run(t.Context(), e); err != nil || report.Verdict != Held || asked != 3 {
			t.Errorf("asked %d times, %v\n%s", asked, err, report)
		}
		e.During = []Matcher{assertions.HaveSplit("payments", "v2", 0.1)}
		if got, need := e.claims()[0].Samples, map[float64]int{0: 138, 0.01: 51}[given]; got != need {
			t.Errorf("given %v: a split of 10%% needs %d, want %d", given, got, need)
		}
	}
	if got := (Phase{}).Alpha(); got != DefaultAlpha {
		t.Errorf("the alpha of a zero phase is %v", got)
	}
}
