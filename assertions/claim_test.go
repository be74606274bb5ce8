package assertions_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/internal/claim"
)

// Every matcher of the package says what it asserts.
func TestEveryMatcherClaims(t *testing.T) {
	tests := []struct {
		matcher types.GomegaMatcher
		want    claim.Claim
	}{
		{HaveSuccessRate(AtLeast(0.99)), claim.Claim{Kind: claim.SuccessRate, Range: claim.AtLeast(0.99), Samples: 100}},
		{HaveSuccessRate(AtMost(1)), claim.Claim{Kind: claim.SuccessRate, Range: claim.AtMost(1), Samples: 1}},
		{HaveSuccessRate(gomega.BeNumerically(">", 0.5)), claim.Claim{Kind: claim.SuccessRate, Range: claim.Any(), Samples: 1}},
		{HaveStatus(503, AtMost(0.1)), claim.Claim{Kind: claim.Status, Code: 503, Range: claim.AtMost(0.1), Samples: 10}},
		{HaveLatency(P99, AtMost(800*time.Millisecond)), claim.Claim{Kind: claim.Latency, Quantile: 0.99, Range: claim.AtMost(0.8), Samples: 100}},
		{HaveLatency(Max, AtLeast(2*time.Second)), claim.Claim{Kind: claim.Latency, Quantile: 1, Range: claim.AtLeast(2), Samples: 1}},
		{HaveTries("payments", AtLeast(3)), claim.Claim{Kind: claim.Tries, Service: "payments", Range: claim.AtLeast(3), Samples: 1}},
		{HaveEjected("payments", AtLeast(1)), claim.Claim{Kind: claim.Ejected, Service: "payments", Range: claim.AtLeast(1), Samples: 1}},
		{HaveReadmitted("payments"), claim.Claim{Kind: claim.Readmitted, Service: "payments", Range: claim.Any(), Samples: 1}},
		{
			HaveTimedOut(time.Second),
			claim.Claim{Kind: claim.TimedOut, Code: 504, Within: time.Second, Range: claim.AtLeast(1), Samples: 1},
		},
		{
			HaveDelayed(5*time.Second, 0.1),
			claim.Claim{Kind: claim.Delayed, Within: 5 * time.Second, Range: claim.Range{Low: 0.1, High: 0.1}, Samples: 138},
		},
		{
			HaveSplit("payments", "v2", 0.1),
			claim.Claim{Kind: claim.Split, Service: "payments", Subset: "v2", Range: claim.Range{Low: 0.1, High: 0.1}, Samples: 138},
		},
	}
	for _, test := range tests {
		says, ok := test.matcher.(interface{ Claim() claim.Claim })
		if !ok {
			t.Errorf("%s claims nothing", test.matcher)
			continue
		}
		if diff := cmp.Diff(test.want, says.Claim()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.matcher, diff)
		}
	}
}
