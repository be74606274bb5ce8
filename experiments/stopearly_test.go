package experiments

import (
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

// mixed is a load of so many requests, the last of which failed.
func mixed(requests, failed int) loadgen.Result {
	r := answers(requests, 200)
	for i := range r.Samples {
		r.Samples[i].Seq = uint64(i)
		if i >= requests-failed {
			r.Samples[i].Code = 503
		}
	}
	return r
}

func TestDecisions(t *testing.T) {
	const most = time.Hour
	rate := func(bound any) Matcher { return assertions.HaveSuccessRate(bound) }
	for _, test := range []struct {
		name     string
		matchers []Matcher
		load     loadgen.Result
		want     string // nothing as long as one is open
	}{
		{"enough of them", []Matcher{rate(assertions.AtLeast(0.99))}, mixed(924, 0), "success rate at least 99% held (924 of 924)"},
		{"one too few", []Matcher{rate(assertions.AtLeast(0.99))}, mixed(923, 0), ""},
		{"wrong", []Matcher{rate(assertions.AtLeast(0.99))}, mixed(200, 50), "success rate at least 99% did not (150 of 200)"},
		{"wrong, but without its samples", []Matcher{rate(assertions.AtLeast(0.99))}, mixed(99, 99), ""},
		{"close", []Matcher{rate(assertions.AtLeast(0.99))}, mixed(500, 5), ""},
		{
			"two of them",
			[]Matcher{rate(assertions.AtLeast(0.9)), assertions.HaveStatus(503, assertions.AtMost(0.1))},
			mixed(500, 0),
			"success rate at least 90% held (500 of 500), share of status 503 at most 10% held (0 of 500)",
		},
		{"one is open", []Matcher{rate(assertions.AtLeast(0.9)), rate(assertions.AtLeast(0.999))}, mixed(500, 0), ""},
		{"all, without exception, is open to the end", []Matcher{rate(assertions.AtLeast(1))}, mixed(100_000, 0), ""},
		{"unless there is one", []Matcher{rate(assertions.AtLeast(1))}, mixed(100, 1), "success rate at least 100% did not (99 of 100)"},
		{
			"delays",
			[]Matcher{assertions.HaveDelayed(time.Minute, 0)},
			mixed(100, 0),
			"",
		},
		{"a claim that is no share", []Matcher{rate(assertions.AtLeast(0.5)), assertions.HaveLatency(assertions.P50, assertions.AtMost(most))}, mixed(500, 0), ""},
		{"a bound of somebody else", []Matcher{rate(gomega.BeNumerically(">", 0.5))}, mixed(500, 0), ""},
		{"a matcher of somebody else", []Matcher{rate(assertions.AtLeast(0.5)), allGood}, mixed(500, 0), ""},
		{"nothing asked", nil, mixed(500, 0), ""},
	} {
		so := Phase{Name: DuringPhase, Load: test.load}
		if got := strings.Join(decisions([][]Matcher{test.matchers, nil}, so), ", "); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestDecisionOfASplit(t *testing.T) {
	split := [][]Matcher{{assertions.HaveSplit("payments", "v2", 0.1)}}
	so := func(v1, v2 uint64) Phase {
		host := func(subset string, requests uint64) observe.Host {
			cluster := outbound("payments.shop")
			cluster.Subset = subset
			return observe.Host{Cluster: cluster, Address: subset, Requests: requests}
		}
		return Phase{Name: DuringPhase, Mesh: observe.Change{Proxies: []observe.ProxyState{{
			Proxy: sidecar("shop", "checkout-1"), Hosts: []observe.Host{host("v1", v1), host("v2", v2)},
		}}}}
	}
	for want, phase := range map[string]Phase{
		"10% of payments to subset v2 held (90 of 900)":     so(810, 90),
		"10% of payments to subset v2 did not (200 of 800)": so(600, 200),
	} {
		if got := strings.Join(decisions(split, phase), ", "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := decisions(split, so(450, 50)); got != nil {
		t.Errorf("of 500 requests: %q", got)
	}
}

// Requests behind one that has no answer yet do not count: they are the fast ones.
func TestUnbroken(t *testing.T) {
	r := mixed(10, 0)
	if got := unbroken(r).Requests(); got != 10 {
		t.Errorf("%d of 10", got)
	}
	r.Samples = append(r.Samples[:4], r.Samples[5:]...)
	if got := unbroken(r).Requests(); got != 4 {
		t.Errorf("%d before the gap, want 4", got)
	}
	if got := unbroken(loadgen.Result{}).Requests(); got != 0 {
		t.Errorf("%d of none", got)
	}
}

// The fault phase alone ends early, and it is judged by all that was sent.
func TestStopEarly(t *testing.T) {
	target := newTarget(t)
	e := target.experiment()
	e.SteadyState = []Matcher{assertions.HaveSuccessRate(assertions.AtLeast(0.6))}
	e.Duration, e.StopEarly = time.Hour, true
	report, err := newFakeAPI(t).runner(t).Run(t.Context(), e)
	if err != nil || report.Verdict != Held {
		t.Fatalf("got %v\n%s", err, report)
	}
	load := report.During.Load
	if n := load.Requests(); n < 100 || n > 5000 || unbroken(load).Requests() != n {
		t.Errorf("sent %d requests", n)
	}
	for _, want := range []string{"stopped at request ", " of 720000, 59m5", "early, because each claim was decided: success rate at least 60% held ("} {
		if !strings.Contains(report.During.Stopped, want) || !strings.Contains(report.String(), want) {
			t.Errorf("%q is not in %q, or not in the report:\n%s", want, report.During.Stopped, report)
		}
	}
	if report.Baseline.Stopped+report.Recovery.Stopped != "" || report.Baseline.Load.Requests() != 10 {
		t.Errorf("another phase ended early:\n%s", report)
	}
	text, err := report.MarshalJSON()
	if err != nil || !strings.Contains(string(text), `"stopped":"stopped at request `) {
		t.Errorf("as JSON, %v:\n%s", err, text)
	}
}

// It is told once, also while the last answers are waited for.
func TestStopEarlyIsToldOnce(t *testing.T) {
	r, told := newFakeAPI(t).runner(t), 0
	trial := r.newTrial(Experiment{StopEarly: true, Duration: time.Hour, SteadyState: []Matcher{assertions.HaveSuccessRate(assertions.AtLeast(0.6))}})
	trial.recorder = &observe.Recorder{}
	trial.progress = func(Event) { told++ }
	p := &trial.report.During
	so := Phase{Name: DuringPhase, Load: mixed(100, 0)}
	if !trial.enough(p, so) || trial.enough(p, so) || told != 1 {
		t.Errorf("told %d times: %s", told, p.Stopped)
	}
	if trial.enough(&trial.report.Recovery, so) {
		t.Error("the recovery has seen enough")
	}
}

// Without being asked to, no phase ends early.
func TestNobodyStopsEarlyUnasked(t *testing.T) {
	target := newTarget(t)
	e := target.experiment()
	e.SteadyState, e.Duration = []Matcher{assertions.HaveSuccessRate(assertions.AtLeast(0.6))}, 1300*time.Millisecond
	report, err := newFakeAPI(t).runner(t).Run(t.Context(), e)
	if err != nil || report.Verdict != Held || report.During.Stopped != "" || report.During.Load.Requests() != 260 {
		t.Errorf("got %v\n%s", err, report)
	}
}

func TestStopEarlyDoesNotGoWithARamp(t *testing.T) {
	e := newTarget(t).faulted()
	e.StopEarly = true
	if err := e.Validate(); err != nil {
		t.Errorf("without a ramp: %v", err)
	}
	fault := callerFault
	fault.Ramp = []float64{10}
	e.Faults = []injector.Fault{fault}
	const want = "stopEarly: found true, but a fault has a ramp, whose steps have equal parts of the whole phase; leave one of them out"
	if err := e.Validate(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("with a ramp: %v", err)
	}
}
