package e2e

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
)

// on is an experiment with faults on services of the shop that are named, each
// made at the site. It judges nothing but that every request is answered.
func on(duration time.Duration, rate float64, faults ...injector.Fault) experiments.Experiment {
	return experiments.Experiment{
		Title:       "the shop, tried",
		Faults:      faults,
		Gateway:     "istio-system/istio-ingressgateway",
		Load:        loadgen.Load{URL: "http://shop.example/checkout", Rate: rate},
		SteadyState: []experiments.Matcher{assertions.HaveStatus(0, assertions.AtMost(0))},
		Healthy:     []experiments.Matcher{assertions.HaveSuccessRate(assertions.AtLeast(1))},
		Settle:      300 * time.Millisecond, Duration: duration, Recovery: 500 * time.Millisecond,
	}
}

func fault(service string, site injector.Site, effect injector.Effect) injector.Fault {
	return injector.Fault{On: injector.Service{Namespace: "shop", Name: service}, Site: site, Effect: effect}
}

// tried runs e, and holds it to a verdict and to what every run owes: that it is
// clean, that each proxy dropped the fault, and that nothing is left.
func tried(t *testing.T, e experiments.Experiment, want experiments.Verdict) *experiments.Report {
	t.Helper()
	report, err := newRunner(t).Run(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	if report.Verdict != want || !report.Clean || len(report.Reverted.Late) > 0 || report.Reverted.Proxies == 0 {
		t.Errorf("want %s, clean and gone; got\n%s", want, report)
	}
	noLeftovers(t)
	return report
}

// A retry draws anew, so that it can be faster than the try before: that is what
// a perTryTimeout with retries is for. 20% of 2s leave 0.8% after three tries.
func TestDelaysAtTheUpstreamAreDrawnForEachTry(t *testing.T) {
	e := on(4*time.Second, 60, fault("payments", injector.Upstream, injector.Delays{Steps: []injector.DelayStep{
		{Fixed: 5 * time.Millisecond, Percent: 70}, {Fixed: 2 * time.Second, Percent: 20},
	}}))
	e.During = []experiments.Matcher{
		assertions.HaveSuccessRate(assertions.AtLeast(0.94)),
		assertions.HaveTries("payments", assertions.AtLeast(1.08)),
		assertions.HaveTries("payments", assertions.AtMost(1.6)),
	}
	report := tried(t, e, experiments.Held)
	if parts := report.Evidence[0].Parts; len(parts) != 2 || parts[0].Fired <= parts[1].Fired {
		t.Errorf("parts %v, want two, the first much bigger", parts)
	}
}

// A distribution at the caller: each step hits its share of the requests.
func TestDelaysAtTheCallerHaveADistribution(t *testing.T) {
	e := on(4*time.Second, 100, fault("inventory", injector.Caller, injector.Delays{Steps: []injector.DelayStep{
		{Fixed: 20 * time.Millisecond, Percent: 80}, {Fixed: 400 * time.Millisecond, Percent: 15},
	}}))
	e.During = []experiments.Matcher{
		assertions.HaveSuccessRate(assertions.AtLeast(0.99)),
		assertions.HaveLatency(assertions.P50, assertions.AtLeast(20*time.Millisecond)),
		assertions.HaveLatency(0.95, assertions.AtLeast(400*time.Millisecond)),
	}
	report := tried(t, e, experiments.Held)
	evidence := report.Evidence[0]
	if len(evidence.Parts) != 2 || evidence.Of != report.During.Load.Requests() || evidence.Fired >= evidence.Of {
		t.Errorf("evidence %s: want two parts of all %d requests, less than all hit", evidence, report.During.Load.Requests())
	}
}

// A step that no request met was not tried, whatever else fired.
func TestAStepThatNobodyMetProvesNothing(t *testing.T) {
	report := tried(t, on(500*time.Millisecond, 40, fault("inventory", injector.Caller, injector.Delays{Steps: []injector.DelayStep{
		{Fixed: time.Millisecond, Percent: 99}, {Fixed: 2 * time.Second, Percent: 0.025},
	}})), experiments.Inconclusive)
	if want := "2s on 0.025%: 0 of "; !strings.Contains(report.Reason, want) {
		t.Errorf("%s\nwant %q in it", report.Reason, want)
	}
}

// The retries are what hides flaky payments: without them the hypothesis does
// not hold any more.
func TestWithoutRetriesIsANegativeControl(t *testing.T) {
	flaky := fault("payments", injector.Upstream, injector.Abort{HTTPStatus: 503, Percent: 30})
	hypothesis := []experiments.Matcher{assertions.HaveSuccessRate(assertions.AtLeast(0.9))}
	e := on(2*time.Second, 60, flaky)
	e.During = hypothesis
	tried(t, e, experiments.Held)

	control := on(2*time.Second, 60, flaky, fault("payments", injector.Caller, injector.Without{Policy: injector.Retries}))
	control.During = hypothesis
	report := tried(t, control, experiments.Deviated)
	if e := report.Evidence[1]; e.Fired == 0 || e.Fired != e.Of || e.Source != "access log" {
		t.Errorf("evidence %s: want every request that came to the route", e)
	}
}

// The timeout is what ends slow calls of inventory: without it they are waited for.
func TestWithoutTimeoutIsANegativeControl(t *testing.T) {
	slow := fault("inventory", injector.Upstream, injector.Delay{Fixed: 3 * time.Second, Percent: 100})
	hypothesis := []experiments.Matcher{assertions.HaveStatus(504, assertions.AtLeast(1))}
	e := on(500*time.Millisecond, 20, slow)
	e.During = hypothesis
	tried(t, e, experiments.Held)

	control := on(500*time.Millisecond, 20, slow, fault("inventory", injector.Caller, injector.Without{Policy: injector.Timeout}))
	control.During = hypothesis
	report := tried(t, control, experiments.Deviated)
	if rate, ok := report.During.Load.SuccessRate(); !ok || rate < 1 {
		t.Errorf("during: %s, want them all waited for", report.During.Load)
	}
}

// Nobody is there: the caller's own proxy says so at once.
func TestBlackhole(t *testing.T) {
	e := on(time.Second, 50, fault("inventory", injector.Caller, injector.Blackhole{Percent: 100}))
	e.During = []experiments.Matcher{assertions.HaveStatus(503, assertions.AtLeast(1))}
	report := tried(t, e, experiments.Held)
	if e := report.Evidence[0]; e.Fired == 0 || e.Fired != e.Of {
		t.Errorf("evidence %s", e)
	}
	objects := strings.Join(report.Objects, ", ")
	if !strings.HasPrefix(objects, "ServiceEntry shop/faultline-") || !strings.HasSuffix(objects, "VirtualService shop/inventory") {
		t.Errorf("objects %s", objects)
	}
}

// A gRPC status is answered with HTTP 200, and Istio's own retries take
// UNAVAILABLE for what it is: each call is tried three times. Requests on
// connections of the gateway that are older than the fault meet none.
func TestGRPCAbortIsRetriedByDefault(t *testing.T) {
	e := on(time.Second, 40, fault("frontend", injector.Upstream, injector.Abort{GRPCStatus: "UNAVAILABLE", Percent: 100}))
	e.Load.Header = map[string]string{"content-type": "application/grpc"}
	e.Recovery = 3 * time.Second // access logs are written every second
	e.During = []experiments.Matcher{assertions.HaveStatus(200, assertions.AtLeast(1))}
	report := tried(t, e, experiments.Held)
	evidence, requests := report.Evidence[0], report.During.Load.Requests()
	if spared := evidence.Of - evidence.Fired; evidence.Fired <= 2*(requests-spared) {
		t.Errorf("%s: want about three tries of each of the %d requests that met it", evidence, requests-spared)
	}
}

// To a caller that does not speak gRPC it is a success with a text in it.
func TestGRPCAbortOfWhatIsNotGRPC(t *testing.T) {
	e := on(time.Second, 40, fault("inventory", injector.Caller, injector.Abort{GRPCStatus: "UNAVAILABLE", Percent: 100}))
	e.During = []experiments.Matcher{assertions.HaveStatus(502, assertions.AtLeast(1))} // checkout expects JSON
	tried(t, e, experiments.Held)
}

// Whatever the effect, a route that nobody takes proves nothing: the gateway has
// routes of its own to the frontend.
func TestEffectsOnARouteThatNobodyTakesProveNothing(t *testing.T) {
	var group sync.WaitGroup
	for _, effect := range []injector.Effect{
		injector.Without{Policy: injector.Timeout},
		injector.Blackhole{Percent: 100},
		injector.Abort{GRPCStatus: "INTERNAL", Percent: 100},
		injector.Delays{Steps: []injector.DelayStep{{Fixed: time.Second, Percent: 100}}},
	} {
		group.Go(func() {
			report, err := newRunner(t).Run(t.Context(), on(300*time.Millisecond, 20, fault("frontend", injector.Caller, effect)))
			if err != nil || report.Verdict != experiments.Inconclusive || !strings.HasPrefix(report.Reason, "the load never reached the hop of the fault") {
				t.Errorf("%v: %v\n%s", effect, err, report)
			}
		})
	}
	group.Wait()
	noLeftovers(t)
}
