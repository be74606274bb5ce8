package experiments

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// findingOf is a finding of one proxy about a fault with such a sign.
func findingOf(h hop, sign injector.Sign, r reading) finding {
	r.proxy = checkoutProxy
	return finding{hop: h, steps: []trace{{signs: []injector.Sign{sign}}}, readings: []reading{r}, marked: -1}
}

// logs is a reading of a log with requests at the hop, that came to the fault,
// and that it hit.
func logs(reached, came, hit int) reading {
	return reading{logged: true, reached: reached, steps: []trace{{came: came, hit: []int{hit}}}}
}

// What is known of a proxy, by the sources that are at hand.
func TestFiring(t *testing.T) {
	abort := injector.Sign{Percent: 100, Flags: []string{"FI"}, Counter: "aborts_injected", Ends: true}
	delay := injector.Sign{Percent: 100, Flags: []string{"DI"}, Counter: "delays_injected"}
	some := injector.Sign{Percent: 20, Flags: []string{"FI"}, Ends: true}
	unknown := injector.Sign{Flags: []string{"FI"}, Ends: true} // of a step, which logs do not tell apart
	rampHop := upstreamHop
	rampHop.fault.Ramp = []float64{10}
	tests := []struct {
		name    string
		hop     hop
		sign    injector.Sign
		reading reading
		want    Firing
	}{
		{"the log, at the caller", callerHop, abort, logs(60, 50, 50), Firing{Reached: 60, Matched: 50, Fired: 50, known: true}},
		{"the log, of a part", callerHop, some, logs(60, 50, 9), Firing{Reached: 60, Matched: 50, Fired: 9, known: true}},
		{"the log, in the pod", upstreamHop, abort, logs(60, 60, 50), Firing{Reached: 60, Matched: 50, Fired: 50, known: true}},
		{"the log, of a part in the pod: who matched is not told", upstreamHop, some, logs(60, 60, 9), Firing{Reached: 60, Matched: 9, Fired: 9}},
		{"the log, of a part in the pod that hit none of many", upstreamHop, some, logs(100, 100, 0), Firing{Reached: 100, known: true}},
		{"the log, of a ramp in the pod that hit none of many", rampHop, unknown, logs(200, 200, 0), Firing{Reached: 200, known: true}},
		{"the log, of a ramp in the pod that hit none of few", rampHop, unknown, logs(100, 100, 0), Firing{Reached: 100}},
		{"the log, of a part in the pod that hit none of few", upstreamHop, some, logs(20, 20, 0), Firing{Reached: 20}},
		{"counters, of an abort", callerHop, abort, reading{passed: 5, counters: []int{40}}, Firing{Reached: 45, Matched: 40, Fired: 40, known: true}},
		{"counters, of a delay", callerHop, delay, reading{passed: 45, counters: []int{40}}, Firing{Reached: 45, Matched: 40, Fired: 40, known: true}},
		{"counters, of a part", callerHop, some, reading{passed: 45, counters: []int{40}}, Firing{Reached: 45}},
		{"metrics, of an abort", callerHop, abort, reading{passed: 5, metrics: []int{40}}, Firing{Reached: 45, Matched: 40, Fired: 40, known: true}},
		{"no source, but an abort would have let none pass", callerHop, abort, reading{passed: 45}, Firing{Reached: 45, known: true}},
		{"no source, of a delay", callerHop, delay, reading{passed: 45}, Firing{Reached: 45}},
		{"nothing came", callerHop, abort, reading{}, Firing{known: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := findingOf(test.hop, test.sign, test.reading)
			test.want.Proxy = checkoutProxy.String()
			if diff := cmp.Diff(test.want, f.firing(f.readings[0], DefaultAlpha), cmp.AllowUnexported(Firing{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Few requests on a proxy, of many at the hop, are not held against a run.
func TestSilent(t *testing.T) {
	fired := Firing{Proxy: "Pod shop/a-1", Reached: 100, Matched: 100, Fired: 100, known: true}
	for _, test := range []struct {
		name  string
		other Firing
		want  int
	}{
		{"many", Firing{Reached: 50, known: true}, 1},
		{"few, but most of all there are", Firing{Reached: 4, known: true}, 0},
		{"five", Firing{Reached: 5, known: true}, 1},
		{"of others", Firing{Reached: 50, Others: true, known: true}, 0},
		{"not known", Firing{Reached: 50}, 0},
		{"none", Firing{known: true}, 0},
		{"it fired", fired, 0},
	} {
		if got := (Evidence{Proxies: []Firing{fired, test.other}}).silent(); len(got) != test.want {
			t.Errorf("%s: %v, want %d", test.name, got, test.want)
		}
	}
	if got := (Evidence{Proxies: []Firing{{Reached: 4, known: true}}}).silent(); len(got) != 1 {
		t.Errorf("four of four requests: %v", got)
	}
}

func TestConflict(t *testing.T) {
	tests := []struct {
		name    string
		sources []Source
		want    string
	}{
		{"all agree", []Source{{sourceLog, 100, 100}, {sourceCounters, 100, 0}, {sourceMetrics, 101, 0}, {sourceMarker, 100, 0}}, ""},
		{"counters count for everybody", []Source{{sourceLog, 100, 100}, {sourceCounters, 400, 0}}, ""},
		{"a request at the edge", []Source{{sourceLog, 100, 100}, {sourceCounters, 96, 0}}, ""},
		{"apps do not hand every header back", []Source{{sourceLog, 100, 100}, {sourceMarker, 3, 0}}, ""},
		{"no log", []Source{{sourceCounters, 100, 0}, {sourceMetrics, 3, 0}}, ""},
		{"nothing", nil, ""},
		{
			"the log shows none",
			[]Source{{sourceLog, 0, 0}, {sourceCounters, 100, 0}},
			"the access log shows 0 requests that the fault hit, and the fault counters 100",
		},
		{
			"the log shows more",
			[]Source{{sourceLog, 100, 100}, {sourceMetrics, 90, 0}},
			"the access log shows 100 requests that the fault hit, and the request metrics (istio_requests_total) only 90",
		},
	}
	for _, test := range tests {
		if got := conflict(test.sources); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
	}
}

// A log that shows requests there, and none of the fault's, is believed before
// counters, and after answers with our own header.
func TestWhichSourceIsBelieved(t *testing.T) {
	abort := aborts(100)[0]
	tests := []struct {
		name    string
		reading reading
		marked  int
		source  string
		fired   int
	}{
		{"the log", reading{logged: true, reached: 50, steps: []trace{{came: 50, hit: []int{50}}}, counters: []int{70}}, 40, sourceLog, 50},
		{"counters, without a log", reading{counters: []int{70}, metrics: []int{60}}, 40, sourceCounters, 70},
		{"metrics, without either", reading{metrics: []int{60}}, 40, sourceMetrics, 60},
		{"the header, without any", reading{}, 40, sourceMarker, 40},
		{"not counters, when the log shows none", reading{logged: true, reached: 50, steps: []trace{{hit: []int{0}}}, counters: []int{70}}, -1, "", 0},
		{"the header, when the log shows none", reading{logged: true, reached: 50, steps: []trace{{hit: []int{0}}}, counters: []int{70}}, 40, sourceMarker, 40},
		{"none", reading{counters: []int{0}}, 0, "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := findingOf(callerHop, abort, test.reading)
			f.marked = test.marked
			if e := f.evidence(&Report{}, nil, DefaultAlpha); e.Source != test.source || e.Fired != test.fired {
				t.Errorf("got %q, %d; want %q, %d", e.Source, e.Fired, test.source, test.fired)
			}
		})
	}
}

// Istio's own proxies tell by response flags, at the site of the fault.
func TestMetered(t *testing.T) {
	const inventory, payments = "inventory.shop.svc.cluster.local", "payments.shop.svc.cluster.local"
	requests := observe.Requests{
		{Reporter: observe.ReportedBySource, Service: inventory, Code: 503, Flags: "FI"}:      10,
		{Reporter: observe.ReportedBySource, Service: inventory, Code: 200, Flags: "DI"}:      20,
		{Reporter: observe.ReportedBySource, Service: inventory, Code: 503, Flags: "UH"}:      40,
		{Reporter: observe.ReportedBySource, Service: payments, Code: 503, Flags: "FI"}:       80,
		{Reporter: observe.ReportedByDestination, Service: inventory, Code: 503, Flags: "FI"}: 160,
		{Reporter: observe.ReportedBySource, Service: "hole.invalid", Code: 503, Flags: "UH"}: 320,
		{Reporter: observe.ReportedBySource, Service: inventory, Code: 200, Flags: "-"}:       640,
	}
	tests := []struct {
		name string
		hop  hop
		sign injector.Sign
		want []int
	}{
		{"an abort at the caller", callerHop, injector.Sign{Flags: []string{"FI"}}, []int{10}},
		{"a delay at the caller", callerHop, injector.Sign{Flags: []string{"DI"}}, []int{20}},
		{"an abort in the pod", upstreamHop, injector.Sign{Flags: []string{"FI"}}, []int{160}},
		{"a blackhole: only what went to its own host", callerHop, injector.Sign{Flags: []string{"UH"}, Host: "hole.invalid"}, []int{320}},
		{"what no flag tells", callerHop, injector.Sign{}, nil},
	}
	for _, test := range tests {
		if got := findingOf(test.hop, test.sign, reading{}).metered(requests); !cmp.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	flags := flagsToward(onInventory, map[string]observe.Requests{"a": requests, "b": requests})
	if diff := cmp.Diff(map[string]int{"FI": 20, "DI": 40, "UH": 80}, flags); diff != "" {
		t.Error(diff)
	}
	if flagsToward(onInventory, nil) != nil {
		t.Error("flags though nobody counts")
	}
}

// Requests that come as often without the load are not the load's.
func TestAsOften(t *testing.T) {
	tests := []struct {
		name          string
		without, with int
		quiet, loaded time.Duration
		want          bool
	}{
		{"as often", 30, 100, 3 * time.Second, 10 * time.Second, true},
		{"more often", 60, 100, 3 * time.Second, 10 * time.Second, true},
		{"a little less often", 20, 100, 3 * time.Second, 10 * time.Second, true},
		{"hardly any", 3, 100, 3 * time.Second, 10 * time.Second, false},
		{"none", 0, 100, 3 * time.Second, 10 * time.Second, false},
		{"none, of few", 0, 1, 3 * time.Second, 10 * time.Second, false},
	}
	for _, test := range tests {
		if got := asOften(test.without, test.with, test.quiet, test.loaded); got != test.want {
			t.Errorf("%s: got %t", test.name, got)
		}
	}
}

// Without a log the answers tell whether all of the load met the fault.
func TestArrivedByAnswers(t *testing.T) {
	abort, delay := aborts(100)[0], injector.Sign{Percent: 100, Flags: []string{"DI"}}
	abort.Ends = true
	tests := []struct {
		name           string
		sign           injector.Sign
		passed, marked int
		others         bool
		want           Propagation
	}{
		{"an abort of all", abort, 0, 100, false, Propagation{Reached: 100, Matched: 100}},
		{"an abort of half", abort, 52, 48, false, Propagation{Reached: 100, Matched: 48, Path: []string{checkoutProxy.String()}}},
		{"an abort of all, and others", abort, 52, 100, true, Propagation{Reached: 100, Matched: 100}},
		{"a delay of all", delay, 100, 100, false, Propagation{Reached: 100, Matched: 100}},
		{"a delay of all, two calls for each", delay, 200, 100, false, Propagation{Reached: 100, Matched: 100}},
		{"a delay of half", delay, 100, 48, false, Propagation{Reached: 100, Matched: 48, Path: []string{checkoutProxy.String()}}},
		{"a delay of all that come there", delay, 30, 30, false, Propagation{Reached: 30, Matched: 30}},
	}
	for _, test := range tests {
		f := findingOf(callerHop, test.sign, reading{passed: test.passed, others: test.others})
		f.marked = test.marked
		during := Phase{Load: answers(100, 200), Mesh: seen(sends(checkoutProxy, nil))}
		e := f.evidence(&Report{During: during}, nil, DefaultAlpha)
		if diff := cmp.Diff(&test.want, e.Arrived); diff != "" {
			t.Errorf("%s:\n%s", test.name, diff)
		}
	}
}

// What else comes there is of others when all of the load is known to have met
// the fault, by its answers and by their number.
func TestAccounted(t *testing.T) {
	report := func(share float64) *Report {
		return &Report{Baseline: Phase{Placement: []Placement{{Share: share}}}, During: Phase{Load: answers(100, 503)}}
	}
	tests := []struct {
		name   string
		report *Report
		came   int
		marked int
		want   bool
	}{
		{"all of it", report(1), 100, 100, true},
		{"all but what was on its way", report(1), 97, 98, true},
		{"half of what had come before", report(2), 100, 100, false},
		{"half of the answers", report(1), 100, 50, false},
		{"answers that say nothing", report(1), 100, -1, false},
		{"without a baseline", &Report{During: Phase{Load: answers(100, 503)}}, 100, 100, false},
		{"without load", &Report{Baseline: Phase{Placement: []Placement{{Share: 1}}}}, 0, 0, false},
	}
	for _, test := range tests {
		f := findingOf(callerHop, aborts(100)[0], logs(200, test.came, test.came))
		f.marked = test.marked
		if got := f.accounted(test.report); got != test.want {
			t.Errorf("%s: got %t", test.name, got)
		}
	}
}

// A request on another run's route is that run's.
func TestRequestsOfAnotherRun(t *testing.T) {
	f := findingOf(callerHop, aborts(100)[0], reading{})
	f.steps[0] = trace{routes: []string{"faultline-7f3a-0"}, signs: aborts(100), from: began, to: began.Add(time.Minute)}
	log := []hit{}
	for _, route := range []string{"faultline-7f3a-0", "faultline-7f3a-0.jason", "faultline-beef-0", "faultline-beef-0.jason", "default", "faultline-of-ours"} {
		log = append(log, hit{at: began.Add(time.Second), flags: []string{"-"}, cluster: abortedHit.cluster, route: route})
	}
	f.readings[0].read(f, log, Phase{From: began, To: began.Add(time.Minute)})
	if r := f.readings[0]; r.reached != 4 || r.came() != 2 {
		t.Errorf("%d came, %d met the fault; want 4 and 2", r.reached, r.came())
	}
}

// At the upstream site a request that is alone on its connection may have met the
// old filters: it is not held against the run, unless nothing was hit.
func TestRequestsOnOldConnections(t *testing.T) {
	inbound := func(peer, flags string) hit {
		return hit{at: began.Add(time.Second), flags: []string{flags}, cluster: "inbound|8080||", route: "default", peer: peer}
	}
	for _, test := range []struct {
		name    string
		hop     hop
		log     []hit
		reached int
	}{
		{"alone on its connection", upstreamHop, []hit{inbound("a", "-"), inbound("b", "FI"), inbound("b", "FI")}, 2},
		{"not alone", upstreamHop, []hit{inbound("a", "-"), inbound("a", "-"), inbound("b", "FI")}, 3},
		{"hit, and alone", upstreamHop, []hit{inbound("a", "FI"), inbound("b", "FI")}, 2},
		{"nothing was hit", upstreamHop, []hit{inbound("a", "-"), inbound("b", "-")}, 2},
		{"a log that does not tell connections", upstreamHop, []hit{inbound("", "-"), inbound("", "FI")}, 2},
	} {
		f := findingOf(test.hop, aborts(100)[0], reading{})
		f.steps[0] = trace{signs: aborts(100), from: began, to: began.Add(time.Minute)}
		f.readings[0].read(f, test.log, Phase{From: began, To: began.Add(time.Minute)})
		if got := f.readings[0].reached; got != test.reached {
			t.Errorf("%s: %d came, want %d", test.name, got, test.reached)
		}
	}
}

// It looks at a mesh without load only where that makes a difference, and as long
// as the rate of the requests in question needs.
func TestQuietTime(t *testing.T) {
	during := &Report{During: Phase{From: began, To: began.Add(10 * time.Second)}}
	abort := aborts(100)[0]
	everybody := callerHop
	everybody.fault.AllTraffic = true
	tests := []struct {
		name string
		hop  hop
		logs reading
		want time.Duration
	}{
		{"all matched", callerHop, logs(100, 100, 100), 0},
		{"one did not", callerHop, logs(100, 99, 99), 0},
		{"half did not", callerHop, logs(100, 50, 50), 2800 * time.Millisecond},
		{"none did", callerHop, logs(500, 0, 0), quietLeast},
		{"none of few did", callerHop, logs(10, 0, 0), quietMost},
		{"a fault for everybody, of which logs do not tell who met it", everybody, logs(100, 50, 50), 1400 * time.Millisecond},
	}
	for _, test := range tests {
		length, proxies := quietTime([]finding{findingOf(test.hop, abort, test.logs)}, during, DefaultAlpha)
		if length != test.want || (len(proxies) > 0) != (test.want > 0) {
			t.Errorf("%s: %s of %v, want %s", test.name, length, proxies, test.want)
		}
	}
}

// A phase is in vain only when the logs show many requests, and none that match.
func TestNobody(t *testing.T) {
	abort := aborts(100)[0]
	tests := []struct {
		name string
		f    finding
		want bool
	}{
		{"many, none matches", findingOf(callerHop, abort, logs(150, 0, 0)), true},
		{"few, none matches", findingOf(callerHop, abort, logs(100, 0, 0)), false},
		{"one matches", findingOf(callerHop, abort, logs(150, 1, 1)), false},
		{"no log", findingOf(callerHop, abort, reading{}), false},
		{"in the pod, of a part: who matched is not told", findingOf(upstreamHop, injector.Sign{Percent: 5, Flags: []string{"FI"}}, logs(150, 150, 0)), false},
	}
	for _, test := range tests {
		if got := test.f.nobody(DefaultAlpha); got != test.want {
			t.Errorf("%s: got %t", test.name, got)
		}
	}
}

// Logs are asked beside the phase, not before they can show anything, and no more
// once there is an answer.
func TestVain(t *testing.T) {
	asked := 0
	answer := 150
	trial := &trial{
		experiment: Experiment{Faults: []injector.Fault{callerFault}}, proxies: []observe.Proxy{sidecar("shop", "checkout-1")},
		plan:   injector.Plan{Edits: []injector.Edit{callerEdit(0, []string{"faultline-7f3a-0"})}},
		report: &Report{Run: "7f3a", During: Phase{From: began}},
	}
	newVain := func() *vain {
		return &vain{stop: func() {}, read: func(f *finding, so Phase) error {
			asked++
			f.readings[0].read(*f, parseAccessLog([]byte(strings.Repeat(inboundAt(so.From.Add(time.Second)), answer))), so)
			return nil
		}}
	}
	so := func(length time.Duration) Phase { return Phase{From: began, To: began.Add(length)} }
	v := newVain()
	if v.ask(trial, so(time.Second)) || asked != 0 {
		t.Error("it asks before logs are written")
	}
	if v.ask(trial, so(4*time.Second)) {
		t.Error("it knows before it has asked")
	}
	v.end()
	if asked != 1 || !v.ask(trial, so(5*time.Second)) || asked != 1 {
		t.Errorf("asked %d times; and it should be in vain", asked)
	}

	answer, v = 10, newVain() // too few to say
	v.ask(trial, so(4*time.Second))
	v.end()
	if v.ask(trial, so(5*time.Second)) {
		t.Error("in vain after ten requests")
	}
	v.end()
	if asked != 2 {
		t.Errorf("it asked again at once")
	}
	marked := so(10 * time.Second)
	marked.Load = answers(1, 503)
	marked.Load.Samples[0].Run = "7f3a"
	if v.ask(trial, marked) || asked != 2 {
		t.Error("it asks though answers carry our header")
	}
}

// inboundAt is a logged request to inventory that takes the user's route.
func inboundAt(at time.Time) string {
	text := strings.Replace(abortedLine, "2026-11-23T05:46:54.874Z", at.Format(time.RFC3339Nano), 1)
	return strings.Replace(strings.Replace(text, " 503 FI ", " 200 - ", 1), "faultline-abc-0", "default", 1) + "\n"
}
