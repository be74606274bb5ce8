package experiments

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/faultline-mesh/faultline/observe"
)

func TestVerdictAsText(t *testing.T) {
	tests := []struct {
		verdict Verdict
		want    string
	}{
		{Inconclusive, "Inconclusive"},
		{Held, "Held"},
		{Deviated, "Deviated"},
		{Halted, "Halted"},
		{-1, "Verdict(-1)"},
		{4, "Verdict(4)"},
	}
	for _, test := range tests {
		text, err := test.verdict.MarshalText()
		if test.verdict.String() != test.want || string(text) != test.want || err != nil {
			t.Errorf("%d: String %q, MarshalText %q, %v; want %q", int(test.verdict), test.verdict, text, err, test.want)
		}
	}
	if got, err := json.Marshal(map[string]Verdict{"verdict": Held}); err != nil || string(got) != `{"verdict":"Held"}` {
		t.Errorf("as JSON: %s, %v", got, err)
	}
	if got := fmt.Sprintf("%s %v", Deviated, Halted); got != "Deviated Halted" {
		t.Errorf("formatted: %s", got)
	}
}

// ejection is of a payments pod, so many seconds after began; back is when it was
// readmitted, or 0.
func ejection(pod, after, back int) observe.Ejection {
	e := observe.Ejection{
		Proxy: sidecar("shop", "checkout-1"), Cluster: outbound("payments.shop"), Address: fmt.Sprintf("10.0.0.%d:8080", pod),
		At: began.Add(time.Duration(after) * time.Second), Errors: 5,
	}
	if back > 0 {
		e.ReadmittedAt = began.Add(time.Duration(back) * time.Second)
	}
	return e
}

// phase is one that begins and ends so many seconds after began.
func phase(name string, from, to int, ejections ...observe.Ejection) Phase {
	p := Phase{Name: name, From: began.Add(time.Duration(from) * time.Second), To: began.Add(time.Duration(to) * time.Second)}
	p.Mesh = observe.Change{From: p.From, To: p.To, Ejections: ejections}
	return p
}

func TestPhases(t *testing.T) {
	baseline, during, recovery := phase(BaselinePhase, 0, 2), phase(DuringPhase, 2, 5), phase(RecoveryPhase, 5, 7)
	tests := []struct {
		report Report
		want   string
	}{
		{Report{}, ""},
		{Report{Baseline: baseline}, "baseline"},
		{Report{Baseline: baseline, During: during}, "baseline during"},
		{Report{Baseline: baseline, Recovery: recovery}, "baseline recovery"},
		{Report{Baseline: baseline, During: during, Recovery: recovery}, "baseline during recovery"},
		{Report{Baseline: baseline, During: Phase{Name: DuringPhase, From: began}}, "baseline"},
	}
	for _, test := range tests {
		var names []string
		for _, p := range test.report.Phases() {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// Of an ejection that several phases saw, the last word counts; all are in the
// order in which they began, whichever phase noticed them.
func TestEjections(t *testing.T) {
	otherCaller, otherCluster := ejection(1, 3, 0), ejection(1, 3, 0)
	otherCaller.Proxy = sidecar("shop", "checkout-2")
	otherCluster.Cluster.Subset = "v1"
	report := Report{
		Baseline: phase(BaselinePhase, 0, 2),
		During:   phase(DuringPhase, 2, 5, ejection(1, 3, 0), ejection(2, 4, 0), otherCaller, otherCluster),
		Recovery: phase(RecoveryPhase, 5, 9, ejection(1, 3, 6), ejection(1, 7, 8), ejection(2, 4, 0), ejection(3, 2, 6)),
	}
	want := []observe.Ejection{ejection(3, 2, 6), ejection(1, 3, 6), otherCaller, otherCluster, ejection(2, 4, 0), ejection(1, 7, 8)}
	got := report.Ejections()
	if len(got) != len(want) {
		t.Fatalf("got %d ejections, want %d: %+v", len(got), len(want), got)
	}
	for i, e := range got {
		if !sameEjection(e, want[i]) || !e.ReadmittedAt.Equal(want[i].ReadmittedAt) {
			t.Errorf("%d: got %+v\nwant %+v", i, e, want[i])
		}
	}
	if report.During.Mesh.Ejections[0].ReadmittedAt != (time.Time{}) {
		t.Error("the phase itself was changed")
	}
}

func TestMergeEjections(t *testing.T) {
	tests := []struct {
		name                 string
		before, within, want []observe.Ejection
	}{
		{"none", nil, nil, nil},
		{"only before", []observe.Ejection{ejection(1, 3, 0)}, nil, []observe.Ejection{ejection(1, 3, 0)}},
		{"only within", nil, []observe.Ejection{ejection(1, 3, 0)}, []observe.Ejection{ejection(1, 3, 0)}},
		{
			"the later word counts",
			[]observe.Ejection{ejection(1, 3, 0), ejection(2, 3, 0)},
			[]observe.Ejection{ejection(1, 3, 5)},
			[]observe.Ejection{ejection(1, 3, 5), ejection(2, 3, 0)},
		},
		{
			"the same host twice is two ejections",
			[]observe.Ejection{ejection(1, 3, 4)},
			[]observe.Ejection{ejection(1, 5, 0)},
			[]observe.Ejection{ejection(1, 5, 0), ejection(1, 3, 4)},
		},
	}
	for _, test := range tests {
		got := mergeEjections(test.before, test.within)
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: got %v\nwant %v", test.name, got, test.want)
		}
	}
}

// reports are what runs may end with. The names are those of the golden files.
func reports() map[string]*Report {
	held := &Report{
		Name: "payments-pod-fails", Title: "a failing payments pod is ejected", Run: "7f3a0011", Verdict: Held,
		Reason:   "all 4 checks held",
		Baseline: phase(BaselinePhase, 0, 2), During: phase(DuringPhase, 3, 6, ejection(1, 4, 0)),
		Recovery: phase(RecoveryPhase, 7, 12, ejection(1, 4, 8)),
		Evidence: []Evidence{
			{Fault: upstreamFault.String(), Source: "access log", Fired: 5, Of: 140},
			{Fault: callerFault.String(), Source: "fault counters", Fired: 12},
		},
		Injected: Convergence{Proxies: 4, P50: 31234567, Max: 52345678}, Reverted: Convergence{Proxies: 4, P50: 12 * time.Millisecond, Max: 1500 * time.Millisecond},
		Objects: []string{"EnvoyFilter shop/faultline.7f3a0011", "VirtualService shop/inventory"}, Clean: true,
	}
	held.Baseline.Load, held.During.Load, held.Recovery.Load = answers(100, 200), answers(150, 200, 200, 503), answers(250, 200)
	held.Baseline.Checks = []Check{{Held: true, Text: "success rate at least 99%"}}
	held.During.Checks = []Check{{Held: true, Text: "number of ejected hosts of payments at least 1"}, {Held: true, Text: "success rate at least 60%"}}
	held.Recovery.Checks = []Check{{Held: true, Text: "success rate at least 99%"}}

	held.Series = shopSeries()

	deviated := &Report{
		Name: "inventory", Title: "customers can check out while inventory is down", Run: "7f3a", Verdict: Deviated,
		Reason:   "during: Expected success rate to be at least 99%, but it was 0%\n    10 requests, 0.0% ok (503 ×10), p50 5ms, p99 10ms",
		Baseline: phase(BaselinePhase, 0, 1), During: phase(DuringPhase, 1, 2, ejection(2, 1, 0)), Recovery: phase(RecoveryPhase, 2, 3),
		Injected: Convergence{Proxies: 1, P50: time.Millisecond, Max: time.Millisecond},
		Reverted: Convergence{Proxies: 1, Late: []string{"Pod shop/checkout-1 still shows faultline-7f3a-"}},
		Objects:  []string{"VirtualService shop/inventory"},
	}
	deviated.During.Load = answers(10, 503)
	deviated.During.Checks = []Check{
		{Text: "Expected success rate to be at least 99%, but it was 0%\n    10 requests, 0.0% ok (503 ×10), p50 5ms, p99 10ms"},
		{NoSamples: true, Text: "HaveTries has no samples: no proxy sent a request to payments"},
		{misused: true, Text: "HaveX needs a value with X(), not experiments.Phase"},
		{Held: true, Text: "p99 latency at most 800ms"},
	}
	deviated.Evidence = []Evidence{{Fault: callerFault.String()}}

	risen := &Report{
		Name: "ramp", Title: "inventory fails more and more", Run: "7f3a", Verdict: Held, Reason: "all 2 checks held",
		Baseline: phase(BaselinePhase, 0, 1), During: phase(DuringPhase, 1, 2), Recovery: phase(RecoveryPhase, 2, 3),
		Evidence: []Evidence{{Fault: callerFault.String(), Source: "access log", Fired: 110, Of: 200, Parts: []Part{
			{Name: "step 1 (10%)", Fired: 10, Of: 100}, {Name: "step 2 (100%)", Fired: 100, Of: 100},
		}}},
		Injected: Convergence{Proxies: 2, P50: time.Millisecond, Max: 12 * time.Millisecond}, Reverted: Convergence{Proxies: 2},
		Ramp: []RampStep{
			{[]string{"abort 503 on 10% at the caller of shop/inventory"}, began.Add(time.Second), Convergence{Proxies: 2, P50: time.Millisecond, Max: 12 * time.Millisecond}},
			{[]string{callerFault.String()}, began.Add(2 * time.Second), Convergence{Proxies: 2, P50: 3 * time.Millisecond, Max: 15 * time.Millisecond}},
		},
		Objects: []string{"VirtualService shop/inventory"}, Clean: true,
	}

	bad := &Report{
		Name: "bad", Title: "nothing was injected", Run: "7f3a", Clean: true,
		Reason:   "the baseline was not good, so nothing was injected: HaveSuccessRate has no samples: no requests were sent, or none ended",
		Baseline: phase(BaselinePhase, 0, 1),
	}
	bad.Baseline.Checks = []Check{{NoSamples: true, Text: "HaveSuccessRate has no samples: no requests were sent, or none ended"}}
	return map[string]*Report{"held": held, "deviated_and_not_clean": deviated, "nothing_injected": bad, "risen": risen, "zero": {}}
}

func TestReportGolden(t *testing.T) {
	for name, report := range reports() {
		t.Run(name, func(t *testing.T) {
			compact, err := json.Marshal(report)
			if err != nil {
				t.Fatal(err)
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, compact, "", "  "); err != nil {
				t.Fatal(err)
			}
			indented.WriteByte('\n')
			golden(t, "testdata/report/"+name+".txtar",
				txtar.File{Name: "report.txt", Data: []byte(report.String())}, txtar.File{Name: "report.json", Data: indented.Bytes()})
		})
	}
}

func TestReach(t *testing.T) {
	late := []string{"Pod shop/a does not show x"}
	tests := []struct {
		convergence Convergence
		want        string
	}{
		{Convergence{Proxies: 3, Max: 52345678}, "3 proxies after 52ms"},
		{Convergence{Proxies: 1, Max: time.Second}, "1 proxy after 1s"},
		{Convergence{Proxies: 3, Max: time.Second, Late: late}, "2 of 3 proxies after 1s"},
		{Convergence{Proxies: 1, Late: late}, "no proxy"},
		{Convergence{Late: late}, "no proxy"},
		{Convergence{}, "no proxy"},
	}
	for _, test := range tests {
		if got := test.convergence.reach(); got != test.want {
			t.Errorf("%+v: got %q, want %q", test.convergence, got, test.want)
		}
	}
}

// The first line is the answer, whatever the reason looks like.
func TestTheFirstLineIsTheAnswer(t *testing.T) {
	report := &Report{Name: "n", Verdict: Deviated, Reason: "during: a\nb"}
	if got, want := report.String(), "Deviated: n: during: a\n    b\n"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want it to begin with %q", got, want)
	}
}
