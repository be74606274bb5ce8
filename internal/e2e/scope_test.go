package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// scoped is inventoryDown with another fault.
func scoped(f injector.Fault) experiments.Experiment {
	e := inventoryDown(500 * time.Millisecond)
	f.Effect = injector.Abort{HTTPStatus: 418, Percent: 100}
	e.Faults = []injector.Fault{f}
	return e
}

// Each scope is proven in the proxies, fires, and is out again; and the load sees
// what it should of it.
func TestScopesFire(t *testing.T) {
	service := func(name string) injector.Service { return injector.Service{Namespace: "shop", Name: name} }
	tests := map[string]struct {
		fault  injector.Fault
		header map[string]string
		status int // what the load gets; 0 means that somebody else gets it
	}{
		"at the gateway":  {injector.Fault{On: service("frontend"), Site: injector.Caller, From: injector.Callers{Gateway: "shop/shop"}}, nil, 418},
		"for labels":      {injector.Fault{On: service("checkout"), Site: injector.Caller, From: injector.Callers{Labels: map[string]string{"app": "frontend"}}}, nil, 0},
		"for a namespace": {injector.Fault{On: service("checkout"), Site: injector.Caller, From: injector.Callers{Namespace: "shop"}}, nil, 0},
		"at the gateway, by headers": {injector.Fault{
			On: service("frontend"), Site: injector.Caller, From: injector.Callers{Gateway: "shop/shop"}, Headers: map[string]string{"X-Tester": "ada"},
		}, map[string]string{"x-tester": "ada"}, 418},
		"upstream, by headers": {injector.Fault{
			On: service("checkout"), Site: injector.Upstream, Headers: map[string]string{"End-User": "ada", "Traceparent": "00-1-2-01"},
		}, map[string]string{"end-user": "ada", "traceparent": "00-1-2-01"}, 0},
		"upstream, on a share of the pods": {injector.Fault{On: service("payments"), Site: injector.Upstream, PodsPercent: 50}, nil, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := scoped(test.fault)
			e.Load.Header = test.header
			report, err := newRunner(t).Run(t.Context(), e)
			noLeftovers(t)
			if err != nil || report.Verdict != experiments.Held {
				t.Fatalf("%v\n%s", err, report)
			}
			load := report.During.Load
			if n := load.Count(test.status); test.status != 0 && (n == 0 || n != load.Requests()) {
				t.Errorf("%s, want %d", load, test.status)
			}
			t.Logf("%d proxies, %s", report.Injected.Proxies, report.Evidence[0])
		})
	}
}

// Those who are not asked for meet nothing, and the run says that it proves
// nothing.
func TestScopesSpare(t *testing.T) {
	tests := map[string]struct {
		fault injector.Fault
		want  string
	}{
		"labels that no caller has": {injector.Fault{
			On: injector.Service{Namespace: "shop", Name: "inventory"}, Site: injector.Caller,
			From: injector.Callers{Labels: map[string]string{"app": "nobody"}},
		}, "no proxy knows the faulted services"},
		"headers that the load does not send": {injector.Fault{
			On: injector.Service{Namespace: "shop", Name: "inventory"}, Site: injector.Caller, Headers: map[string]string{"x-tester": "ada"},
		}, "the load does not send x-tester: ada"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := scoped(test.fault)
			report, err := newRunner(t, experiments.WithBarrierBudget(3*time.Second)).Run(t.Context(), e)
			noLeftovers(t)
			if err != nil || report.Verdict != experiments.Inconclusive || !strings.Contains(report.String(), test.want) {
				t.Fatalf("%v, want Inconclusive and %q\n%s", err, test.want, report)
			}
			if n := report.During.Load.Count(http.StatusTeapot); n > 0 {
				t.Errorf("%d requests met the fault", n)
			}
		})
	}
}
