package experiments

import (
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

func TestMet(t *testing.T) {
	tests := []struct {
		name   string
		hit    hit
		routes []string
		want   bool
	}{
		{"one of our routes", hit{route: "faultline-7f3a-1"}, []string{"faultline-7f3a-0", "faultline-7f3a-1"}, true},
		{"one of them, with the name of its match", hit{route: "faultline-7f3a-1.jason"}, []string{"faultline-7f3a-1"}, true},
		{"another route", hit{route: "default"}, []string{"faultline-7f3a-0"}, false},
		{"the route of another fault", hit{route: "faultline-7f3a-10"}, []string{"faultline-7f3a-1"}, false},
		{"an inbound request, without routes", hit{cluster: "inbound|8080||", route: "default"}, nil, true},
		{"an outbound request, without routes", hit{cluster: "outbound|80||a.b.svc.cluster.local"}, nil, false},
		{"an inbound request, with routes", hit{cluster: "inbound|8080||"}, []string{"faultline-7f3a-0"}, false},
	}
	for _, test := range tests {
		if got := test.hit.met(test.routes); got != test.want {
			t.Errorf("%s: got %t", test.name, got)
		}
	}
}

func TestEvidenceFromCounters(t *testing.T) {
	caller, other := sidecar("shop", "checkout-1"), sidecar("shop", "checkout-2")
	state := func(p observe.Proxy, stats map[string]uint64) observe.ProxyState {
		return observe.ProxyState{Proxy: p, Stats: stats}
	}
	tests := []struct {
		name    string
		proxies []observe.ProxyState
		makers  []observe.Proxy
		want    int
	}{
		{
			"aborts of the makers, not delays", []observe.ProxyState{
				state(caller, map[string]uint64{
					"http.outbound_0.0.0.0_80.fault.aborts_injected": 3, "http.outbound_0.0.0.0_80.fault.delays_injected": 4,
					"http.outbound_0.0.0.0_80.fault.active_faults": 9, "http.outbound_0.0.0.0_80.downstream_rq_total": 100,
				}),
				state(other, map[string]uint64{"http.inbound_0.0.0.0_8080.fault.aborts_injected": 5}),
			}, []observe.Proxy{caller, other}, 8,
		},
		{
			"of no other proxy", []observe.ProxyState{
				state(caller, nil), state(other, map[string]uint64{"http.inbound_0.0.0.0_8080.fault.aborts_injected": 5}),
			}, []observe.Proxy{caller}, 0,
		},
		{"what the proxies do not export", []observe.ProxyState{state(caller, map[string]uint64{"x.downstream_rq_total": 1})}, []observe.Proxy{caller}, 0},
		{"no proxies", nil, nil, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := finding{hop: hop{fault: callerFault}, steps: []trace{{signs: aborts(100)}}, marked: -1}
			for _, state := range test.proxies {
				if slices.ContainsFunc(test.makers, func(p observe.Proxy) bool { return p.Pod == state.Proxy.Pod }) {
					f.readings = append(f.readings, reading{proxy: state.Proxy, counters: counted(state, f.steps)})
				}
			}
			e := f.evidence(&Report{}, nil, DefaultAlpha)
			source := ""
			if test.want > 0 {
				source = "fault counters"
			}
			if e.Fired != test.want || e.Of != 0 || e.Source != source {
				t.Errorf("got %+v, want %d fired", e, test.want)
			}
		})
	}
}

// marked are so many answers that carry the response header of run 7f3a, and one
// that carries another's.
func marked(n int) loadgen.Result {
	r := answers(n+1, 503)
	for i := range n {
		r.Samples[i].Run = "7f3a"
	}
	r.Samples[n].Run = "7f3b"
	return r
}

// The response header says that a request took a route of the fault. That it was
// hit follows only where the fault hits every request there, and is the only one.
func TestEvidenceFromMarker(t *testing.T) {
	upstream := callerFault
	upstream.Site = injector.Upstream
	all, some := []trace{{signs: aborts(100)}}, []trace{{signs: aborts(50)}}
	drawn := []trace{{signs: []injector.Sign{{Percent: 100, Flags: []string{"DI"}, ID: regexp.MustCompile("0$")}}}}
	parts := []trace{{signs: append(aborts(100), aborts(100)...)}}
	tests := []struct {
		name   string
		fault  injector.Fault
		steps  []trace
		faults int
		n      int
		want   int
	}{
		{"the one Caller fault at 100%", callerFault, all, 1, 7, 7},
		{"a fault that answers nothing by itself", callerFault, []trace{{signs: []injector.Sign{{Percent: 100}}}}, 1, 7, 7},
		{"no answer has the header", callerFault, all, 1, 0, 0},
		{"it hits only some", callerFault, some, 1, 7, 0},
		{"it rises", callerFault, append(some, all...), 1, 7, 0},
		{"requests without an id pass by", callerFault, drawn, 1, 7, 0},
		{"it has parts", callerFault, parts, 1, 7, 0},
		{"another fault may have been it", callerFault, all, 2, 7, 0},
		{"an Upstream fault, of which the header says nothing", upstream, all, 1, 7, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			trial := &trial{report: &Report{Run: "7f3a", During: Phase{Load: marked(test.n)}}}
			for range test.faults {
				trial.experiment.Faults = append(trial.experiment.Faults, test.fault)
			}
			f := trial.finding(hop{fault: test.fault})
			f.steps = test.steps
			e := f.evidence(trial.report, nil, DefaultAlpha)
			source := ""
			if test.want > 0 {
				source = "response header"
			}
			if e.Fired != test.want || e.Source != source {
				t.Errorf("got %+v, want %d", e, test.want)
			}
		})
	}
}

func TestOffShare(t *testing.T) {
	tests := []struct {
		name      string
		fired, of int
		percent   float64
		want      string
	}{
		{"exactly the share", 500, 1000, 50, ""},
		{"within the interval", 430, 1000, 50, ""},
		{
			"below it", 300, 1000, 50,
			"abort fired on 300 of 1000 requests (access log), which is between 23.23% and 37.42% of them and cannot be 50%" + offNext,
		},
		{
			"above it", 300, 1000, 12.5,
			"abort fired on 300 of 1000 requests (access log), which is between 23.23% and 37.42% of them and cannot be 12.5%" + offNext,
		},
		{"all of all", 1000, 1000, 100, ""},
		{
			"all but one of all", 999, 1000, 100,
			"abort fired on 999 of 1000 requests (access log), though it hits every request that meets it" + offNext,
		},
		{"few requests say little", 1, 3, 90, ""},
		{"nothing fired: that is another reason", 0, 1000, 50, ""},
		{"the source knows no total", 7, 0, 50, ""},
		{"what share it should be is not known", 300, 1000, 0, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := Evidence{Fault: "abort", Source: "access log", Fired: test.fired, Of: test.of}
			if got := offShare(e, []trace{{signs: aborts(test.percent)}}, DefaultAlpha); got != test.want {
				t.Errorf("got:  %s\nwant: %s", got, test.want)
			}
		})
	}
}

// Of several parts each is compared by itself, however right the sum is.
func TestOffShareOfParts(t *testing.T) {
	steps := []trace{{signs: aborts(10)}, {signs: aborts(50)}}
	e := Evidence{Fault: "abort", Source: "access log", Fired: 600, Of: 2000, Parts: []Part{
		{Name: "step 1 (10%)", Fired: 100, Of: 1000}, {Name: "step 2 (50%)", Fired: 500, Of: 1000},
	}}
	if got := offShare(e, steps, DefaultAlpha); got != "" {
		t.Errorf("as asked: %s", got)
	}
	e.Parts[0].Fired, e.Parts[1].Fired = 300, 300
	want := "abort: step 1 (10%): 300 of 1000 (access log), which is between 23.23% and 37.42% of them and cannot be 10%" + offNext
	if got := offShare(e, steps, DefaultAlpha); got != want {
		t.Errorf("got:  %s\nwant: %s", got, want)
	}
	e.Parts = nil // the counters tell no parts
	if got := offShare(e, steps, DefaultAlpha); got != "" {
		t.Errorf("without parts: %s", got)
	}
}

// twoFaults is a trial whose two Upstream faults are made in the given pods.
func twoFaults(first, second []string) *trial {
	return &trial{
		experiment: Experiment{Faults: []injector.Fault{upstreamFault, upstreamFault}},
		plan: injector.Plan{Edits: []injector.Edit{
			upstreamEdit(0, "faultline.7f3a", first...), upstreamEdit(1, "faultline.7f3a-2", second...),
		}},
		proxies: []observe.Proxy{sidecar("shop", "payments-1"), sidecar("shop", "payments-2"), sidecar("shop", "payments-3")},
	}
}

func podNames(proxies []observe.Proxy) string {
	var names []string
	for _, p := range proxies {
		names = append(names, p.Pod)
	}
	return strings.Join(names, " ")
}

func TestMakers(t *testing.T) {
	trial := twoFaults([]string{"payments-1", "payments-2"}, []string{"payments-2", "payments-3"})
	caller, beside := callerEdit(1, []string{"faultline-7f3a-0", "faultline-7f3a-1"}, "bank"), callerEdit(0, nil, "*")
	beside.Signs = nil // it serves another edit
	trial.plan.Edits = append(trial.plan.Edits, caller, caller, beside)
	trial.proxies = append(trial.proxies, sidecar("bank", "ledger-1"))
	if got := podNames(trial.makers(0)); got != "payments-1 payments-2" {
		t.Errorf("of the first: %s", got)
	}
	if got := podNames(trial.makers(1)); got != "payments-2 payments-3 ledger-1" {
		t.Errorf("of the second: %s", got)
	}
}

// Counters of a proxy that makes two faults do not tell which of them fired.
func TestUnshared(t *testing.T) {
	trial := twoFaults([]string{"payments-1", "payments-2"}, []string{"payments-2", "payments-3"})
	for fault, want := range []string{"payments-1", "payments-3"} {
		if got := podNames(trial.unshared(fault, trial.makers(fault))); got != want {
			t.Errorf("of fault %d: %s, want %s", fault, got, want)
		}
	}
}

// Requests count that came to where the fault is made, within the fault phase.
func TestEvidenceFromAccessLogs(t *testing.T) {
	began := abortedHit.at.Add(-time.Second)
	line := func(at time.Duration, flags, route string) string {
		text := strings.Replace(abortedLine, "2026-11-23T05:46:54.874Z", began.Add(at).Format(time.RFC3339Nano), 1)
		text = strings.Replace(text, " 503 FI ", " 503 "+flags+" ", 1)
		return strings.Replace(text, "faultline-abc-0", route, 1) + "\n"
	}
	const ours = "faultline-7f3a-0"
	first := "starting\n" + line(-time.Second, "FI", ours) + line(0, "FI", ours) + line(time.Second, "-", ours) +
		line(time.Second, "-", "default") + line(2*time.Second, "DI,FI", ours+".jason") + line(3*time.Second, "FI", ours)
	second := line(time.Second, "FI", ours)
	pods := []string{checkoutPod, strings.Replace(checkoutPod, "checkout-1", "checkout-2", 1)}
	evidence := func(t *testing.T, api *fakeAPI) Evidence {
		t.Helper()
		trial := meshTrial(t, api)
		trial.experiment.Faults[0].Effect = injector.Abort{HTTPStatus: 503, Percent: 75}
		trial.plan.Edits[0].Signs = aborts(75)
		trial.proxies = []observe.Proxy{sidecar("shop", "checkout-1"), sidecar("shop", "checkout-2"), gateway("shop", "egress-3")}
		trial.report.During = Phase{From: began, To: began.Add(2 * time.Second)}
		all, err := trial.evidence(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("got %+v, %v", all, err)
		}
		return all[0]
	}
	api := newFakeAPI(t, pods...)
	api.logs = map[string]string{"checkout-1": first, "checkout-2": second, "egress-3": second}
	want := Evidence{
		Fault: "abort 503 on 75% at the caller of shop/inventory", Source: "access log", Fired: 3, Of: 4,
		Sources: []Source{{"access log", 3, 4}},
		Proxies: []Firing{
			{Proxy: "Pod shop/checkout-1", Reached: 4, Matched: 3, Fired: 2, known: true},
			{Proxy: "Pod shop/checkout-2", Reached: 1, Matched: 1, Fired: 1, known: true},
		},
		Arrived: &Propagation{Reached: 5, Matched: 4},
	}
	if got := evidence(t, api); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	// A log that cannot be read proves nothing, nor do the others without it.
	api.refuse = func(r *http.Request) int {
		if strings.HasSuffix(r.URL.Path, "/checkout-2/log") {
			return http.StatusForbidden
		}
		return 0
	}
	if got := evidence(t, api); got.Fired != 0 || got.Source != "" {
		t.Errorf("without one of the logs: %+v", got)
	}

	// What cannot be the share that was asked is told.
	api.refuse, api.logs["checkout-1"] = nil, strings.Repeat(line(time.Second, "-", ours), 100)+second
	if got := evidence(t, api); got.Fired != 2 || got.Of != 102 || !strings.HasSuffix(got.Off, " of them and cannot be 75%"+offNext) {
		t.Errorf("too few: %+v", got)
	}
}

// With two faults in one proxy, neither can claim what its counters say.
func TestEvidenceOfTwoFaultsInOneProxy(t *testing.T) {
	api := newFakeAPI(t)
	for shared, want := range map[bool]int{true: 0, false: 5} {
		trial := meshTrial(t, api)
		second := []string{"payments-2"}
		if shared {
			second = []string{"payments-1"}
		}
		two := twoFaults([]string{"payments-1"}, second)
		trial.experiment, trial.plan, trial.proxies = two.experiment, two.plan, two.proxies
		for _, p := range trial.proxies {
			trial.report.During.Mesh.Proxies = append(trial.report.During.Mesh.Proxies, observe.ProxyState{
				Proxy: p, Stats: map[string]uint64{"http.inbound.fault.aborts_injected": 5},
			})
		}
		all, err := trial.evidence(t.Context())
		if err != nil || len(all) != 2 || all[0].Fired != want || all[1].Fired != want {
			t.Errorf("in one proxy: %t: got %+v, %v; want %d each", shared, all, err, want)
		}
	}
}

// Where no access log tells anything, the counters do, and the response header
// last; the logs are given their time.
func TestEvidenceWithoutAccessLogs(t *testing.T) {
	maker := sidecar("shop", "payments-1")
	counters := observe.Change{Proxies: []observe.ProxyState{{
		Proxy: maker, Stats: map[string]uint64{"http.inbound.fault.aborts_injected": 5},
	}}}
	tests := []struct {
		name  string
		fault injector.Fault
		load  loadgen.Result
		want  Evidence
	}{
		{"the response header", callerFault, marked(7), Evidence{
			Fault: callerFault.String(), Source: "response header", Fired: 7, Sources: []Source{{Name: "response header", Fired: 7}},
			Arrived: &Propagation{Reached: 7, Matched: 7},
		}},
		{"nothing", callerFault, answers(7, 503), Evidence{Fault: callerFault.String()}},
		{"nothing of an Upstream fault", upstreamFault, marked(7), Evidence{Fault: upstreamFault.String()}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				edit := callerEdit(0, []string{"faultline-7f3a-0"})
				if test.fault.Site == injector.Upstream {
					edit = upstreamEdit(0, "faultline.7f3a", "payments-1")
				}
				trial := &trial{
					experiment: Experiment{Faults: []injector.Fault{test.fault}},
					plan:       injector.Plan{Edits: []injector.Edit{edit}},
					report:     &Report{Run: "7f3a", During: Phase{Load: test.load, Mesh: counters}},
				}
				start := time.Now()
				all, err := trial.evidence(t.Context())
				if err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], test.want) {
					t.Errorf("got %+v, %v\nwant %+v", all, err, test.want)
				}
				if took := time.Since(start); took != evidenceBudget {
					t.Errorf("it took %s, want %s", took, evidenceBudget)
				}
			})
		})
	}
}

// A share is judged by the alpha of the experiment.
func TestOffShareByAlpha(t *testing.T) {
	e := Evidence{Fault: "abort", Source: "access log", Fired: 125, Of: 1000}
	steps := []trace{{signs: aborts(10)}}
	if got := offShare(e, steps, DefaultAlpha); got != "" {
		t.Errorf("at one in a million: %s", got)
	}
	const want = "abort fired on 125 of 1000 requests (access log), which is between 10.51% and 14.71% of them and cannot be 10%" + offNext
	if got := offShare(e, steps, 0.05); got != want {
		t.Errorf("at one in twenty:\ngot  %s\nwant %s", got, want)
	}
}
