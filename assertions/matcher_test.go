package assertions_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/loadgen"
)

func TestMatchersSayWhatTheyClaim(t *testing.T) {
	for want, matcher := range map[string]types.GomegaMatcher{
		"success rate at least 99%":                           HaveSuccessRate(AtLeast(0.99)),
		"success rate *matchers.EqualMatcher":                 HaveSuccessRate(gomega.Equal(1.0)),
		"p99 latency at most 800ms":                           HaveLatency(P99, AtMost(800*time.Millisecond)),
		"share of status 503 at most 0.1%":                    HaveStatus(503, AtMost(0.001)),
		"share of requests without an answer at most 0%":      HaveStatus(0, AtMost(0)),
		"number of tries at payments per request at most 1.5": HaveTries("payments", AtMost(1.5)),
		"number of ejected hosts of payments at least 1":      HaveEjected("payments", AtLeast(1)),
		"all ejected hosts of payments readmitted":            HaveReadmitted("payments"),
		"timed out within 1s":                                 HaveTimedOut(time.Second),
		"10% of the requests delayed by 5s":                   HaveDelayed(5*time.Second, 0.1),
		"10% of payments to subset v2":                        HaveSplit("payments", "v2", 0.1),
		"100% of payments to no subset":                       HaveSplit("payments", "", 1),
		"AtMost(800ms)":                                       AtMost(800 * time.Millisecond),
		"AtLeast(0.99)":                                       AtLeast(0.99),
	} {
		if got := fmt.Sprint(matcher); got != want {
			t.Errorf("prints %q, want %q", got, want)
		}
	}
}

// An Experiment holds its matchers once and asks them in every phase, and while
// it watches for a reason to halt.
func TestOneMatcherJudgesManyAtOnce(t *testing.T) {
	matcher := HaveLatency(P50, AtMost(10*time.Millisecond))
	var group sync.WaitGroup
	for n := range 20 {
		group.Go(func() {
			actual := load(2*n+2, 200) // with a median of n+1 ms
			for range 50 {
				holds, err := matcher.Match(actual)
				if err != nil || holds != (n < 10) {
					t.Errorf("median %dms: %t, %v", n+1, holds, err)
				}
				want := fmt.Sprintf("Expected p50 latency to be at most 10ms, but it was %dms\n    %s", n+1, actual)
				if got := matcher.FailureMessage(actual); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
	group.Wait()
}

func TestMessagesOfMisuse(t *testing.T) {
	matcher := HaveSuccessRate(AtLeast(0.99))
	const want = "HaveSuccessRate needs a value with LoadResult(), as a loadgen.Result, not int"
	if got := matcher.FailureMessage(42); got != want {
		t.Errorf("FailureMessage = %q", got)
	}
	if got := matcher.NegatedFailureMessage(42); got != want {
		t.Errorf("NegatedFailureMessage = %q", got)
	}
}

func TestMisuseIsNotALackOfSamples(t *testing.T) {
	for name, err := range map[string]error{
		"nil": nil, "other": errors.New("no samples"),
	} {
		if isNoSamples(err) {
			t.Errorf("%s is a NoSamples", name)
		}
	}
}

// Lists of what held show the figures, not only the claims.
func TestMeasured(t *testing.T) {
	result := loadgen.Result{Samples: []loadgen.Sample{{Code: 200, Latency: 20 * time.Millisecond}, {Code: 504, Latency: time.Second}}}
	for _, c := range []struct {
		matcher any
		want    string
	}{
		{HaveSuccessRate(AtLeast(0.5)), "50% (2 requests prove 0.000025% to 99.99998%)"},
		{HaveLatency(Max, AtMost(2*time.Second)), "1s"},
		{HaveTimedOut(2 * time.Second), "1 answer, the slowest after 1s"},
		{HaveDelayed(20*time.Millisecond, 1), "2 of 2"},
		{HaveTries("nobody", AtMost(2)), ""},
	} {
		if got := c.matcher.(interface{ Measured(any) string }).Measured(result); got != c.want {
			t.Errorf("%s: measured %q, want %q", c.matcher, got, c.want)
		}
	}
}
