package experiments

import (
	"errors"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/loadgen"
)

const payments503 = "abort 503 on 100% at the caller of shop/payments"

// proven is a report of a run in which all went well.
func proven() *Report {
	phase := func(name string) Phase {
		return Phase{Name: name, From: began, To: began.Add(time.Second), Load: answers(10, 200), Checks: []Check{{Held: true, Text: "success rate at least 99%"}}}
	}
	return &Report{
		Baseline: phase(BaselinePhase), During: phase(DuringPhase), Recovery: phase(RecoveryPhase),
		Evidence: []Evidence{{Fault: payments503, Source: "access log", Fired: 10, Of: 10}},
		Injected: Convergence{Proxies: 3}, Reverted: Convergence{Proxies: 3},
	}
}

// spoiler is one thing that keeps a run from being Held.
type spoiler struct {
	name        string
	halted      string
	interrupted error
	spoil       func(*Report)
	verdict     Verdict
	reason      string
}

// spoilers are all there are, each before those that it hides.
var spoilers = []spoiler{
	{
		name: "halted", halted: "success rate at most 50%; no requests",
		verdict: Halted, reason: "halted: success rate at most 50%; no requests",
	},
	{
		name: "interrupted", interrupted: errors.New("context canceled"),
		verdict: Inconclusive, reason: "the run was not completed: context canceled",
	},
	{
		name: "a baseline that did not hold",
		spoil: func(r *Report) {
			r.Baseline.Checks[0] = Check{Text: "Expected success rate to be at least 99%, but it was 50%"}
		},
		verdict: Inconclusive, reason: "the baseline was not good, so nothing was injected: Expected success rate to be at least 99%, but it was 50%",
	},
	{
		name:    "a baseline without requests",
		spoil:   func(r *Report) { r.Baseline.Load = loadgen.Result{} },
		verdict: Inconclusive, reason: "no request was answered in the baseline, so nothing was injected; is the load's URL right?",
	},
	{
		name: "proxies late to show the fault",
		spoil: func(r *Report) {
			r.Injected.Late = []string{"Pod shop/a does not show x", "Pod shop/b does not show x"}
		},
		verdict: Inconclusive,
		reason:  "2 of 3 proxies did not show the fault in time: Pod shop/a does not show x; Pod shop/b does not show x",
	},
	{
		name: "a step of a ramp that was late",
		spoil: func(r *Report) {
			r.Ramp = []RampStep{{}, {Convergence: Convergence{Proxies: 3, Late: []string{"Pod shop/a does not show x"}}}}
		},
		verdict: Inconclusive, reason: "1 of 3 proxies did not show step 2 of the ramp in time: Pod shop/a does not show x",
	},
	{
		name:    "proxies late to drop it",
		spoil:   func(r *Report) { r.Reverted.Late = []string{"Pod shop/a still shows x"} },
		verdict: Inconclusive, reason: "1 of 3 proxies did not drop the fault in time: Pod shop/a still shows x",
	},
	{
		name:    "no requests during",
		spoil:   func(r *Report) { r.During.Load = loadgen.Result{} },
		verdict: Inconclusive, reason: "no request was sent during the fault phase; make it longer or raise load.rate",
	},
	{
		name:    "a fault that never fired",
		spoil:   func(r *Report) { r.Evidence[0].Fired, r.Evidence[0].Of = 0, 0 },
		verdict: Inconclusive,
		reason: "nothing shows that the fault fired (" + payments503 + "): no answer carried the header x-faultline-run, " +
			"and neither the fault counters nor the access logs of the proxies show it; let the apps forward the request " +
			"headers baggage or x-faultline-run, and enable the proxies' access log",
	},
	{
		name: "a part of a fault that never fired",
		spoil: func(r *Report) {
			r.Evidence[0].Parts = []Part{{Name: "50ms on 95%", Fired: 10, Of: 10}, {Name: "2s on 5%", Of: 10}}
		},
		verdict: Inconclusive,
		reason: "nothing shows that all of the fault fired (" + payments503 + "): 2s on 5%: 0 of 10 (access log); " +
			"make the phase longer or raise load.rate",
	},
	{
		name:    "a fault that fired too often or too seldom",
		spoil:   func(r *Report) { r.Evidence[0].Off = "it fired on 1 of 10" },
		verdict: Inconclusive, reason: "it fired on 1 of 10",
	},
	{
		name: "a matcher that did not hold during",
		spoil: func(r *Report) {
			r.During.Checks = append(r.During.Checks, Check{Text: "Expected tries to be at most 2"})
		},
		verdict: Deviated, reason: "during: Expected tries to be at most 2",
	},
	{
		name:    "a matcher that did not hold in recovery",
		spoil:   func(r *Report) { r.Recovery.Checks[0] = Check{Text: "Expected success rate to be at least 99%"} },
		verdict: Deviated, reason: "recovery: Expected success rate to be at least 99%",
	},
	{
		name: "a matcher without samples",
		spoil: func(r *Report) {
			r.During.Checks[0] = Check{NoSamples: true, Text: "HaveTries has no samples: no requests"}
		},
		verdict: Inconclusive, reason: "during: too few samples to judge: HaveTries has no samples: no requests",
	},
	{
		name: "a matcher that cannot judge",
		spoil: func(r *Report) {
			r.Recovery.Checks = append(r.Recovery.Checks, Check{misused: true, Text: "HaveX needs X()"})
		},
		verdict: Inconclusive, reason: "recovery: a matcher cannot judge: HaveX needs X()",
	},
}

// verdict judges a good report with some spoilers in it.
func verdict(all ...spoiler) (Verdict, string) {
	report, halted := proven(), ""
	var interrupted error
	for _, s := range all {
		if s.spoil != nil {
			s.spoil(report)
		}
		if s.halted != "" {
			halted = s.halted
		}
		if s.interrupted != nil {
			interrupted = s.interrupted
		}
	}
	return judge(report, halted, interrupted)
}

func TestEachVerdictHasItsReason(t *testing.T) {
	for _, s := range spoilers {
		t.Run(s.name, func(t *testing.T) {
			if got, reason := verdict(s); got != s.verdict || reason != s.reason {
				t.Errorf("got %s: %s\nwant %s: %s", got, reason, s.verdict, s.reason)
			}
		})
	}
}

// With everything from one row on gone wrong, that row is what is told.
func TestPrecedenceOfVerdicts(t *testing.T) {
	for i, s := range spoilers {
		if got, reason := verdict(spoilers[i:]...); got != s.verdict || reason != s.reason {
			t.Errorf("%s and all below: got %s: %s\nwant %s: %s", s.name, got, reason, s.verdict, s.reason)
		}
		for _, below := range spoilers[i+1:] {
			if got, reason := verdict(s, below); got != s.verdict || reason != s.reason {
				t.Errorf("%s beside %s: got %s: %s\nwant %s: %s", s.name, below.name, got, reason, s.verdict, s.reason)
			}
		}
	}
}

func TestHeld(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Report)
		reason string
	}{
		{
			"with a fault that the access log shows", func(*Report) {},
			"all 3 checks held, with the fault in force on 3 of 3 proxies; " + payments503 + " fired on 10 of 10 requests (access log)",
		},
		{
			"with two faults, of one only the number is known",
			func(r *Report) {
				r.Evidence = append(r.Evidence, Evidence{Fault: "delay 2s on 50% at the upstream of shop/bank", Source: "fault counters", Fired: 7})
			},
			"all 3 checks held, with the fault in force on 3 of 3 proxies; " + payments503 + " fired on 10 of 10 requests (access log); " +
				"delay 2s on 50% at the upstream of shop/bank fired 7 times (fault counters)",
		},
		{
			"with a fault that has parts",
			func(r *Report) {
				r.Evidence[0].Parts = []Part{{Name: "step 1 (50%)", Fired: 2, Of: 4}, {Name: "step 2 (100%)", Fired: 6, Of: 6}}
			},
			"all 3 checks held, with the fault in force on 3 of 3 proxies; " + payments503 + " fired on 10 of 10 requests (access log): " +
				"step 1 (50%): 2 of 4, step 2 (100%): 6 of 6",
		},
		{
			"without faults nothing needs to be proven",
			func(r *Report) { r.Evidence, r.Injected, r.Reverted = nil, Convergence{}, Convergence{} },
			"all 3 checks held",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			report := proven()
			test.change(report)
			if got, reason := judge(report, "", nil); got != Held || reason != test.reason {
				t.Errorf("got %s: %s\nwant Held: %s", got, reason, test.reason)
			}
		})
	}
}

// What nobody has looked at is open.
func TestTheZeroReportIsInconclusive(t *testing.T) {
	if got := (Report{}).Verdict; got != Inconclusive {
		t.Errorf("the zero report says %s", got)
	}
	if got, reason := judge(&Report{}, "", nil); got != Inconclusive || reason == "" {
		t.Errorf("of the zero report judge says %s: %s", got, reason)
	}
}

func TestABaselineThatCannotBeJudgedIsNotGood(t *testing.T) {
	for _, check := range []Check{{NoSamples: true, Text: "text"}, {misused: true, Text: "text"}, {Text: "text"}} {
		report := proven()
		report.Baseline.Checks = append(report.Baseline.Checks, check)
		got, reason := judge(report, "", nil)
		if got != Inconclusive || reason != "the baseline was not good, so nothing was injected: text" {
			t.Errorf("%+v: got %s: %s", check, got, reason)
		}
	}
}

// When no proxy was found at all there is no share of them to tell.
func TestNoProxyIsKnown(t *testing.T) {
	report := proven()
	report.Injected = Convergence{Late: []string{"the proxies cannot be listed: forbidden"}}
	got, reason := judge(report, "", nil)
	if got != Inconclusive || reason != "no proxy is known to show the fault: the proxies cannot be listed: forbidden" {
		t.Errorf("got %s: %s", got, reason)
	}
}

// A fault that was there at the beginning only proves nothing.
func TestAFaultThatIsLostProvesNothing(t *testing.T) {
	report := proven()
	report.Kept = Convergence{Proxies: 3, Late: []string{"Pod a/b does not show x"}}
	got, reason := judge(report, "", nil)
	const want = "1 of 3 proxies did not keep the fault to the end of its phase (did somebody take it out?): Pod a/b does not show x"
	if got != Inconclusive || reason != want {
		t.Errorf("got %s: %s", got, reason)
	}
}
