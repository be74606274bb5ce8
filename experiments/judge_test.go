package experiments

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-mesh/faultline/injector"
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
	alone       bool // it takes away what others spoil
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
		name: "a policy that is not in force",
		spoil: func(r *Report) {
			r.Policies = Convergence{Proxies: 3, Late: []string{"Pod shop/a: of DestinationRule shop/b"}}
		},
		verdict: Inconclusive,
		reason: "1 of 3 proxies did not have the policy that is written, so nothing was injected: Pod shop/a: of DestinationRule shop/b; " +
			"wait until istiod has sent it, or look at what keeps it from the proxies, and repeat the run",
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
		name:    "a sender that lagged in the baseline",
		spoil:   func(r *Report) { r.Baseline.Load = lagging(200, 300*time.Millisecond, 5) },
		verdict: Inconclusive,
		reason: "nothing was injected, because the sender of the load was the bottleneck in the baseline: its 200 requests " +
			"left late, by 300ms at p99, of which 250ms are allowed; only 5 were on their way at once, " +
			"so the machine that sends was too busy: give it more cores or lower load.rate",
	},
	{
		name:    "a proxy that restarted in the baseline",
		spoil:   func(r *Report) { r.Restarts = append(r.Restarts, Restart{"Pod shop/a", BaselinePhase}) },
		verdict: Inconclusive,
		reason: "nothing was injected, because proxies restarted in the baseline: Pod shop/a (baseline); " +
			"let them come to rest, and repeat the run",
	},
	{
		name:    "a load that goes elsewhere",
		spoil:   func(r *Report) { r.Missed = "the load never reached the hop of the fault" },
		verdict: Inconclusive, reason: "the load never reached the hop of the fault",
	},
	{
		name:    "no proxy that shows the fault",
		spoil:   func(r *Report) { r.Injected = Convergence{Late: []string{"the proxies cannot be listed: forbidden"}} },
		verdict: Inconclusive, reason: "no proxy is known to show the fault: the proxies cannot be listed: forbidden",
	},
	{
		name: "proxies late to show the fault",
		spoil: func(r *Report) {
			r.Injected = Convergence{Proxies: 3, Late: []string{"Pod shop/a does not show x", "Pod shop/b does not show x"}}
		},
		verdict: Inconclusive,
		reason: "2 of 3 proxies did not show the fault in time: Pod shop/a does not show x; Pod shop/b does not show x; " +
			"ask istioctl proxy-status and istiod's log what they wait for",
	},
	{
		name: "a step of a ramp that was late",
		spoil: func(r *Report) {
			r.Ramp = []RampStep{{}, {Convergence: Convergence{Proxies: 3, Late: []string{"Pod shop/a does not show x"}}}}
		},
		verdict: Inconclusive,
		reason: "1 of 3 proxies did not show step 2 of the ramp in time: Pod shop/a does not show x; " +
			"ask istioctl proxy-status and istiod's log what they wait for",
	},
	{
		name: "proxies that restarted",
		spoil: func(r *Report) {
			r.Restarts = append(r.Restarts, Restart{"Pod shop/a", DuringPhase}, Restart{"Pod shop/b", RecoveryPhase})
		},
		verdict: Inconclusive,
		reason: "proxies restarted while they were observed, so what they had counted and whom they had ejected is lost: " +
			"Pod shop/a (during), Pod shop/b (recovery); find out why (kubectl describe pod), and repeat the run",
	},
	{
		name: "a service without pods",
		spoil: func(r *Report) {
			r.Vanished = "no pod of payments.shop is left, as Pod shop/a sees it, though there were some in the baseline"
		},
		verdict: Inconclusive,
		reason: "no pod of payments.shop is left, as Pod shop/a sees it, though there were some in the baseline, so what was measured " +
			"is not the fault's doing alone; find out what took the pods away, and repeat the run",
	},
	{
		name: "a fault that is lost",
		spoil: func(r *Report) {
			r.Kept = Convergence{Proxies: 3, Late: []string{"Pod a/b does not show x"}}
		},
		verdict: Inconclusive,
		reason: "1 of 3 proxies did not keep the fault to the end of its phase (did somebody take it out?): Pod a/b does not show x; " +
			"look for what else changed these routes or pods meanwhile, and repeat the run",
	},
	{
		name:    "proxies late to drop it",
		spoil:   func(r *Report) { r.Reverted.Late = []string{"Pod shop/a still shows x"} },
		verdict: Inconclusive,
		reason: "1 of 3 proxies did not drop the fault in time: Pod shop/a still shows x; " +
			"the objects are clean, so ask istioctl proxy-status and istiod's log what the proxies wait for",
	},
	{
		name:    "no requests during",
		spoil:   func(r *Report) { r.During.Load = loadgen.Result{} },
		verdict: Inconclusive, reason: "no request was sent during the fault phase; make it longer or raise load.rate",
	},
	{
		name: "a header that does not arrive",
		spoil: func(r *Report) {
			r.Evidence[0].Proxies = []Firing{{Proxy: "Pod shop/a-1", Reached: 10, known: true}}
			r.Evidence[0].Arrived = &Propagation{Reached: 10, Path: []string{"shop/a"}}
		},
		verdict: Inconclusive,
		reason: "the fault's requests do not arrive at its hop (" + payments503 + "): 10 requests came there in the fault phase, and none " +
			"of them carried the run's header (baggage: faultline-run=…, or x-faultline-run) (Pod shop/a-1: 0 of 10); " +
			"shop/a does not forward the headers to it",
	},
	{
		name:    "a fault on all traffic that others met",
		spoil:   func(r *Report) { r.Evidence[0].Unmet = true },
		verdict: Inconclusive,
		reason: "the load's requests do not come to the fault's hop (" + payments503 + "): as many requests come there without the load; " +
			"does the app call the service for the load's URL?",
	},
	{
		name:    "a fault of somebody else",
		spoil:   func(r *Report) { r.Evidence[0].Before = 3 },
		verdict: Inconclusive,
		reason: "before the fault was there, 3 requests of the baseline were hit in the same way (" + payments503 + "): there is another fault " +
			"of the kind in these pods, and nothing tells its hits from this one's; take it out (kubectl get envoyfilters), and repeat the run",
	},
	{
		name:    "a pod without the fault",
		spoil:   func(r *Report) { r.Evidence[0].Unfaulted = []string{"10.0.0.9: 40"} },
		verdict: Inconclusive,
		reason: "the fault was not in all pods (" + payments503 + "): requests went to pods of the service that did not have it (10.0.0.9: 40), " +
			"because they were born after the plan was made or have no sidecar; let the service alone while it is tested, and repeat the run",
	},
	{
		name: "a contradiction",
		spoil: func(r *Report) {
			r.Evidence[0].Fired, r.Evidence[0].Conflict = 0, "the access log shows 0 requests that the fault hit, and the fault counters 7"
		},
		verdict: Inconclusive,
		reason: "the sources of the evidence contradict each other (" + payments503 + "): the access log shows 0 requests that the fault hit, " +
			"and the fault counters 7; these were requests of others, or of another fault, or the access log leaves requests out " +
			"(a filter in a Telemetry resource)",
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
		name: "a proxy on which it did not fire",
		spoil: func(r *Report) {
			r.Evidence[0].Proxies = []Firing{
				{Proxy: "Pod shop/a-1", Reached: 10, Matched: 10, Fired: 10, known: true}, {Proxy: "Pod shop/a-2", Reached: 9, known: true},
			}
		},
		verdict: Inconclusive,
		reason: "the fault did not fire on every proxy that the load passes (" + payments503 + "): 1 of 2 proxies had requests and show none " +
			"that it hit (Pod shop/a-2: 0 of 9); ask istioctl proxy-config whether they have the fault, and restart those that lag",
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
		name:    "a sender that lagged during",
		spoil:   func(r *Report) { r.During.Load = lagging(200, 400*time.Millisecond, 200) },
		verdict: Inconclusive,
		reason: "the sender of the load was the bottleneck in the fault phase: its 200 requests left late, " +
			"by 400ms at p99, of which 250ms are allowed; 200 were on their way at once, as many as load.maxInFlight allows, " +
			"so the others waited: raise it or lower load.rate",
	},
	{
		name:    "no requests in the recovery",
		spoil:   func(r *Report) { r.Recovery.Load = loadgen.Result{} },
		verdict: Inconclusive,
		reason: "no request was answered in the recovery, so nobody knows whether the mesh recovered; " +
			"make recovery longer or raise load.rate",
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
		verdict: Inconclusive, reason: "during: too few samples to judge: HaveTries has no samples: no requests; " +
			"a longer phase or a higher load.rate gives more",
	},
	{
		name: "a matcher that cannot judge",
		spoil: func(r *Report) {
			r.Recovery.Checks = append(r.Recovery.Checks, Check{misused: true, Text: "HaveX needs X()"})
		},
		verdict: Inconclusive, reason: "recovery: a matcher cannot judge: HaveX needs X()",
	},
	{
		name:    "no matcher",
		alone:   true,
		spoil:   func(r *Report) { r.During.Checks, r.Recovery.Checks = nil, nil },
		verdict: Inconclusive,
		reason: "no matcher was asked about the fault phase or the recovery, so there is nothing that could have held; " +
			"say in during or recovered what should",
	},
}

// lagging is a load of so many requests, all of them late, with so many on their
// way at once.
func lagging(requests int, lag time.Duration, inFlight int) loadgen.Result {
	var r loadgen.Result
	for i := range requests {
		r.Samples = append(r.Samples, loadgen.Sample{
			Seq: uint64(i), Intended: began.Add(time.Duration(i) * time.Second), Lag: lag, Code: 200,
			Latency: lag + time.Duration(inFlight)*time.Second,
		})
	}
	return r
}

// spoiled is a good outcome with some spoilers in it.
func spoiled(all ...spoiler) outcome {
	o := outcome{Report: proven(), asked: faulted()}
	for _, s := range slices.Backward(all) { // the upper ones last, to have the last word
		if s.spoil != nil {
			s.spoil(o.Report)
		}
		if s.halted != "" {
			o.halted = s.halted
		}
		if s.interrupted != nil {
			o.interrupted = s.interrupted
		}
	}
	return o
}

// faulted is an experiment with one fault.
func faulted() Experiment { return Experiment{Faults: []injector.Fault{callerFault}} }

// Every row of the table has its spoilers, in its order, and none is told by
// another row.
func TestTheTableIsWholeAndInOrder(t *testing.T) {
	var met []string
	for _, s := range spoilers {
		first, _ := firstRow(spoiled(s))
		if len(met) == 0 || met[len(met)-1] != first.when {
			met = append(met, first.when)
		}
	}
	var rows []string
	for _, r := range table() {
		rows = append(rows, r.when)
	}
	if diff := cmp.Diff(rows, met); diff != "" {
		t.Errorf("rows without a spoiler (-), or out of order (-+):\n%s", diff)
	}
}

// The document has the same rows, in the same order.
func TestTheDocumentHasTheTable(t *testing.T) {
	text, err := os.ReadFile("../docs/verdicts.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for n, r := range table() {
		want = append(want, fmt.Sprintf("| %d | %s | %s |", n+1, r.when, r.verdict))
	}
	want = append(want, fmt.Sprintf("| %d | none of these | Held |", len(want)+1))
	var got []string
	for line := range strings.SplitSeq(string(text), "\n") {
		if cells := strings.Split(line, " | "); len(cells) == 4 && line[2] >= '1' && line[2] <= '9' {
			got = append(got, strings.Join(cells[:3], " | ")+" |")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/verdicts.md (-want +got):\n%s", diff)
	}
}

func TestEachVerdictHasItsReason(t *testing.T) {
	for _, s := range spoilers {
		t.Run(s.name, func(t *testing.T) {
			if got, reason := judge(spoiled(s)); got != s.verdict || reason != s.reason {
				t.Errorf("got %s: %s\nwant %s: %s", got, reason, s.verdict, s.reason)
			}
		})
	}
}

// With everything from one row on gone wrong, that row is what is told.
func TestPrecedenceOfVerdicts(t *testing.T) {
	for i, s := range spoilers {
		var all []spoiler
		for _, below := range spoilers[i:] {
			if !below.alone || len(all) == 0 {
				all = append(all, below)
			}
		}
		if got, reason := judge(spoiled(all...)); got != s.verdict || reason != s.reason {
			t.Errorf("%s and all below: got %s: %s\nwant %s: %s", s.name, got, reason, s.verdict, s.reason)
		}
		for _, below := range all[1:] {
			if got, reason := judge(spoiled(s, below)); got != s.verdict || reason != s.reason {
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
			o := outcome{Report: report}
			for range report.Evidence {
				o.asked.Faults = append(o.asked.Faults, callerFault)
			}
			if got, reason := judge(o); got != Held || reason != test.reason {
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
	if got, reason := judge(outcome{Report: &Report{}}); got != Inconclusive || reason == "" {
		t.Errorf("of the zero report judge says %s: %s", got, reason)
	}
}

func TestABaselineThatCannotBeJudgedIsNotGood(t *testing.T) {
	for next, check := range map[string]Check{
		"; make settle longer or raise load.rate": {NoSamples: true, Text: "text"}, "": {misused: true, Text: "text"},
	} {
		report := proven()
		report.Baseline.Checks = append(report.Baseline.Checks, check)
		got, reason := judge(outcome{Report: report, asked: faulted()})
		if got != Inconclusive || reason != "the baseline was not good, so nothing was injected: text"+next {
			t.Errorf("%+v: got %s: %s", check, got, reason)
		}
	}
}

// What was never looked at is not proven, however good the rest is.
func TestWhatNobodyLookedAtIsNotProven(t *testing.T) {
	for want, forget := range map[string]func(*Report){
		"no proxy is known to show the fault: none was looked at":                       func(r *Report) { r.Injected = Convergence{} },
		"nothing shows that the fault fired: evidence was looked for of 0 of 1 faults":  func(r *Report) { r.Evidence = nil },
		"no request was sent during the fault phase; make it longer or raise load.rate": func(r *Report) { r.During = Phase{} },
		"no request was answered in the recovery, so nobody knows whether the mesh recovered; make recovery longer or raise load.rate": func(r *Report) {
			r.Recovery = Phase{}
		},
	} {
		report := proven()
		forget(report)
		if got, reason := judge(outcome{Report: report, asked: faulted()}); got != Inconclusive || reason != want {
			t.Errorf("got %s: %s\nwant Inconclusive: %s", got, reason, want)
		}
	}
}
