package experiments

import (
	"net/http"
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

func TestFromCounters(t *testing.T) {
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
			"aborts and delays of the makers", []observe.ProxyState{
				state(caller, map[string]uint64{
					"http.outbound_0.0.0.0_80.fault.aborts_injected": 3, "http.outbound_0.0.0.0_80.fault.delays_injected": 4,
					"http.outbound_0.0.0.0_80.fault.active_faults": 9, "http.outbound_0.0.0.0_80.downstream_rq_total": 100,
				}),
				state(other, map[string]uint64{"http.inbound_0.0.0.0_8080.fault.aborts_injected": 5}),
			}, []observe.Proxy{caller, other}, 12,
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
			var e Evidence
			fromCounters(&e, Phase{Mesh: observe.Change{Proxies: test.proxies}}, test.makers)
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

// The response header says that a request took the faulted route. That it was hit
// follows only where the fault hits every request, and is the only one.
func TestFromMarker(t *testing.T) {
	half, upstream := callerFault, callerFault
	half.Effect = injector.Abort{HTTPStatus: 503, Percent: 50}
	upstream.Site = injector.Upstream
	tests := []struct {
		name   string
		fault  injector.Fault
		faults int
		n      int
		want   int
	}{
		{"the one Caller fault at 100%", callerFault, 1, 7, 7},
		{"no answer has the header", callerFault, 1, 0, 0},
		{"it hits only some", half, 1, 7, 0},
		{"another fault may have been it", callerFault, 2, 7, 0},
		{"an Upstream fault, of which the header says nothing", upstream, 1, 7, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var e Evidence
			report := &Report{Run: "7f3a", During: Phase{Load: marked(test.n)}}
			fromMarker(&e, test.fault, make([]injector.Fault, test.faults), report)
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
	at := func(percent float64, f injector.Fault) injector.Fault {
		f.Effect = injector.Abort{HTTPStatus: 503, Percent: percent}
		return f
	}
	everybody := upstreamFault
	everybody.AllTraffic = true
	tests := []struct {
		name      string
		fired, of int
		fault     injector.Fault
		want      string
	}{
		{"exactly the share", 500, 1000, at(50, callerFault), ""},
		{"within the interval", 430, 1000, at(50, callerFault), ""},
		{
			"below it", 300, 1000, at(50, callerFault),
			"abort fired on 300 of 1000 requests (access log), which is between 23.23% and 37.42% of them and cannot be 50%",
		},
		{
			"above it", 300, 1000, at(12.5, callerFault),
			"abort fired on 300 of 1000 requests (access log), which is between 23.23% and 37.42% of them and cannot be 12.5%",
		},
		{"all of all", 1000, 1000, at(100, callerFault), ""},
		{
			"all but one of all", 999, 1000, at(100, callerFault),
			"abort fired on 999 of 1000 requests (access log), though it hits every request that meets it",
		},
		{"few requests say little", 1, 3, at(90, callerFault), ""},
		{"nothing fired: that is another reason", 0, 1000, at(50, callerFault), ""},
		{"the source knows no total", 7, 0, at(50, callerFault), ""},
		{"an Upstream fault for the run alone: other traffic is among the requests", 300, 1000, at(50, upstreamFault), ""},
		{
			"an Upstream fault for all traffic", 300, 1000, at(50, everybody),
			"abort fired on 300 of 1000 requests (access log), which is between 23.23% and 37.42% of them and cannot be 50%",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := Evidence{Fault: "abort", Source: "access log", Fired: test.fired, Of: test.of}
			if got := offShare(e, test.fault); got != test.want {
				t.Errorf("got:  %s\nwant: %s", got, test.want)
			}
		})
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
	trial.plan.Edits = append(trial.plan.Edits, callerEdit(1, []string{"faultline-7f3a-0", "faultline-7f3a-1"}, "bank"))
	trial.proxies = append(trial.proxies, sidecar("bank", "ledger-1"))
	makers, routes := trial.makers(0)
	if got := podNames(makers); got != "payments-1 payments-2" || routes != nil {
		t.Errorf("of the first: %s, routes %q", got, routes)
	}
	makers, routes = trial.makers(1)
	if got := podNames(makers); got != "payments-2 payments-3 ledger-1" || len(routes) != 2 {
		t.Errorf("of the second: %s, routes %q", got, routes)
	}
}

// Counters of a proxy that makes two faults do not tell which of them fired.
func TestUnshared(t *testing.T) {
	trial := twoFaults([]string{"payments-1", "payments-2"}, []string{"payments-2", "payments-3"})
	for fault, want := range []string{"payments-1", "payments-3"} {
		makers, _ := trial.makers(fault)
		if got := podNames(trial.unshared(fault, makers)); got != want {
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
		line(time.Second, "-", "default") + line(2*time.Second, "DI", ours+".jason") + line(3*time.Second, "FI", ours)
	second := line(time.Second, "FI", ours)
	pods := []string{checkoutPod, strings.Replace(checkoutPod, "checkout-1", "checkout-2", 1)}
	evidence := func(t *testing.T, api *fakeAPI) Evidence {
		t.Helper()
		trial := meshTrial(t, api)
		trial.experiment.Faults[0].Effect = injector.Abort{HTTPStatus: 503, Percent: 75}
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
	want := Evidence{Fault: "abort 503 on 75% at the caller of shop/inventory", Source: "access log", Fired: 3, Of: 4}
	if got := evidence(t, api); got != want {
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
	if got := evidence(t, api); got.Fired != 2 || got.Of != 102 || !strings.HasSuffix(got.Off, " of them and cannot be 75%") {
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
		{"the response header", callerFault, marked(7), Evidence{Fault: callerFault.String(), Source: "response header", Fired: 7}},
		{"nothing", callerFault, answers(7, 503), Evidence{Fault: callerFault.String()}},
		{"nothing of an Upstream fault", upstreamFault, marked(7), Evidence{Fault: upstreamFault.String()}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trial := &trial{
					experiment: Experiment{Faults: []injector.Fault{test.fault}},
					report:     &Report{Run: "7f3a", During: Phase{Load: test.load, Mesh: counters}},
				}
				start := time.Now()
				all, err := trial.evidence(t.Context())
				if err != nil || len(all) != 1 || all[0] != test.want {
					t.Errorf("got %+v, %v\nwant %+v", all, err, test.want)
				}
				if took := time.Since(start); took != evidenceBudget {
					t.Errorf("it took %s, want %s", took, evidenceBudget)
				}
			})
		})
	}
}
