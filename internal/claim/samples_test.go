package claim

import (
	"math"
	"testing"
)

func TestNeeded(t *testing.T) {
	tests := []struct {
		name  string
		claim Claim
		want  int
	}{
		{"success rate at least 99%", Claim{Kind: SuccessRate, Range: AtLeast(0.99)}, 100},
		{"success rate at least 100%", Claim{Kind: SuccessRate, Range: AtLeast(1)}, 1},
		{"success rate at most 5%", Claim{Kind: SuccessRate, Range: AtMost(0.05)}, 20},
		{"success rate by somebody else's matcher", Claim{Kind: SuccessRate, Range: Any()}, 1},
		{"status at least 0.1%", Claim{Kind: Status, Code: 503, Range: AtLeast(0.001)}, 1000},
		{"status at most none", Claim{Kind: Status, Code: 503, Range: AtMost(0)}, 1},
		{"p50", Claim{Kind: Latency, Quantile: 0.5, Range: AtMost(1)}, 2},
		{"p99", Claim{Kind: Latency, Quantile: 0.99, Range: AtMost(1)}, 100},
		{"p99.9", Claim{Kind: Latency, Quantile: 0.999, Range: AtMost(1)}, 1000},
		{"max", Claim{Kind: Latency, Quantile: 1, Range: AtMost(1)}, 1},
		{"tries at most 3", Claim{Kind: Tries, Range: AtMost(3)}, 1},
		{"tries at most 1.1", Claim{Kind: Tries, Range: AtMost(1.1)}, 10},
		{"tries at least 2.75", Claim{Kind: Tries, Range: AtLeast(2.75)}, 4},
		{"split of 10%", Claim{Kind: Split, Range: Range{0.1, 0.1}}, 138},
		{"split of all", Claim{Kind: Split, Range: Range{1, 1}}, 1},
		{"ejected", Claim{Kind: Ejected, Range: AtLeast(3)}, 1},
		{"readmitted", Claim{Kind: Readmitted, Range: Any()}, 1},
		{"timed out", Claim{Kind: TimedOut, Code: 504, Range: AtLeast(1)}, 1},
		{"NaN", Claim{Kind: Tries, Range: AtLeast(math.NaN())}, 1},
	}
	for _, test := range tests {
		if got := test.claim.Needed(1e-6); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
	if got := (Claim{Kind: Split, Range: Range{0.1, 0.1}}).Needed(0.05); got != 36 {
		t.Errorf("a split of 10%% at 0.05: %d, want 36", got)
	}
}

func TestRange(t *testing.T) {
	for _, test := range []struct {
		r         Range
		low, high bool // whether it has -1e9, and 1e9
	}{{Any(), true, true}, {AtLeast(1), false, true}, {AtMost(1), true, false}, {Range{0, 2}, false, false}} {
		if test.r.Has(-1e9) != test.low || test.r.Has(1e9) != test.high || !test.r.Has(1) {
			t.Errorf("%v has -1e9: %t, 1: %t, 1e9: %t", test.r, test.r.Has(-1e9), test.r.Has(1), test.r.Has(1e9))
		}
	}
}
