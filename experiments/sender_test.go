package experiments

import (
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/assertions"
)

// A sender may lag by a quarter of what a claim on a latency allows, at the
// quantile of the claim and in its phases.
func TestLagLimits(t *testing.T) {
	latency := func(q assertions.Quantile, limit time.Duration) Matcher {
		return assertions.HaveLatency(q, assertions.AtMost(limit))
	}
	for _, test := range []struct {
		name string
		asks Experiment
		lag  time.Duration
		want string // nothing, or what is in the text
	}{
		{"within the budget of every load", Experiment{}, 250 * time.Millisecond, ""},
		{"beyond it", Experiment{}, 251 * time.Millisecond, "by 251ms at p99, of which 250ms are allowed"},
		{"within a quarter of the limit", Experiment{During: []Matcher{latency(0.5, time.Second)}}, 250 * time.Millisecond, ""},
		{"beyond it", Experiment{During: []Matcher{latency(0.5, 800*time.Millisecond)}}, 201 * time.Millisecond, "by 201ms at p50, of which 200ms are allowed"},
		{"at the slowest", Experiment{SteadyState: []Matcher{latency(1, 400*time.Millisecond)}}, 101 * time.Millisecond, "by 101ms at most, of which 100ms are allowed"},
		{"of another phase", Experiment{Recovered: []Matcher{latency(0.5, 400*time.Millisecond)}}, 201 * time.Millisecond, ""},
		{"a limit that no machine could keep", Experiment{During: []Matcher{latency(0.99, 8*time.Millisecond)}}, 20 * time.Millisecond, ""},
		{
			"a lower limit is none",
			Experiment{During: []Matcher{assertions.HaveLatency(0.5, assertions.AtLeast(time.Millisecond))}},
			100 * time.Millisecond, "",
		},
	} {
		phase := Phase{Name: DuringPhase, Load: lagging(100, test.lag, 1)}
		got := lateSender(outcome{Report: proven(), asked: test.asks}, phase)
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q in it", test.name, got, test.want)
		}
	}
	if got := lateSender(outcome{Report: proven()}, Phase{}); got != "" {
		t.Errorf("without requests: %q", got)
	}
}
