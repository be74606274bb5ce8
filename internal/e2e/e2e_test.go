package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/examples/shop/shopmesh"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/meshtest"
)

var (
	mesh    *meshtest.Mesh
	cluster *rest.Config
)

func TestMain(m *testing.M) {
	experiments.Main(shopmesh.Around(m, func(shop *meshtest.Mesh) { mesh, cluster = shop, shop.Config() }))
}

// inventoryDown is an experiment whose fault is always in force and fires, and
// whose steady state does not care.
func inventoryDown(duration time.Duration) experiments.Experiment {
	return experiments.Experiment{
		Title: "the shop answers something while inventory is down",
		Faults: []injector.Fault{{
			On:     injector.Service{Namespace: "shop", Name: "inventory"},
			Site:   injector.Caller,
			Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
		}},
		Gateway:     "istio-system/istio-ingressgateway",
		Load:        loadgen.Load{URL: "http://shop.example/checkout", Rate: 50},
		SteadyState: []experiments.Matcher{assertions.HaveLatency(assertions.Max, assertions.AtMost(5*time.Second))},
		BlastRadius: injector.BlastRadius{Namespaces: []string{"shop"}},
		Settle:      300 * time.Millisecond, Duration: duration, Recovery: 300 * time.Millisecond,
	}
}

func newRunner(tb testing.TB, options ...experiments.Option) *experiments.Runner {
	tb.Helper()
	r, err := experiments.NewRunner(cluster, options...)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// noLeftovers is what must be true after every test.
func noLeftovers(tb testing.TB) {
	tb.Helper()
	in, err := injector.New(cluster)
	if err != nil {
		tb.Fatal(err)
	}
	left, err := in.Leftovers(context.WithoutCancel(tb.Context()), "")
	if err != nil {
		tb.Fatal(err)
	}
	for _, l := range left {
		tb.Errorf("left behind: %s", l)
	}
}

// when calls f once, when a run comes to a step.
func when(step string, f func()) experiments.Option {
	var once sync.Once
	return experiments.WithProgress(func(e experiments.Event) {
		if e.Step == step {
			once.Do(f)
		}
	})
}

// panicking panics when it is asked about one phase.
type panicking struct{ phase string }

func (p panicking) Match(actual any) (bool, error) {
	if actual.(experiments.Phase).Name == p.phase {
		panic("a matcher of the user's panics")
	}
	return true, nil
}
func (panicking) FailureMessage(any) string        { return "" }
func (panicking) NegatedFailureMessage(any) string { return "" }

func TestAPanicLeavesNothing(t *testing.T) {
	e := inventoryDown(500 * time.Millisecond)
	e.During = []experiments.Matcher{panicking{experiments.DuringPhase}}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = newRunner(t).Run(t.Context(), e) // it panics
	}()
	noLeftovers(t)
}

func TestACancelledRunLeavesNothing(t *testing.T) {
	for _, step := range []string{"plan", "baseline", "inject", "during", "revert", "recovery"} {
		t.Run(step, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			stopped := errors.New("somebody stopped the run")
			report, err := newRunner(t, when(step, func() { cancel(stopped) })).Run(ctx, inventoryDown(2*time.Second))
			noLeftovers(t)
			switch {
			case report == nil && err == nil:
				t.Error("neither a report nor an error")
			case report != nil && (report.Verdict != experiments.Inconclusive || err != nil):
				t.Errorf("got %s (%s), %v; want Inconclusive", report.Verdict, report.Reason, err)
			case report != nil && !report.Clean:
				t.Error("the report does not say that all is clean")
			}
		})
	}
}

// Two runs on one VirtualService: each takes out its own routes and no other.
func TestTwoRunsAtOnce(t *testing.T) {
	var group sync.WaitGroup
	reports := make([]*experiments.Report, 2)
	errs := make([]error, 2)
	for i := range reports {
		group.Go(func() {
			reports[i], errs[i] = newRunner(t).Run(t.Context(), inventoryDown(time.Duration(i+1)*time.Second))
		})
	}
	group.Wait()
	for i, r := range reports {
		if errs[i] != nil || r.Verdict != experiments.Held {
			t.Errorf("run %d: %v\n%s", i, errs[i], r)
		}
	}
	noLeftovers(t)
}

// refusing lets nothing be written once it is closed for writing.
type refusing struct {
	next   http.RoundTripper
	closed *atomic.Bool
}

func (r refusing) RoundTrip(q *http.Request) (*http.Response, error) {
	if r.closed.Load() && (q.Method == http.MethodPut || q.Method == http.MethodDelete || q.Method == http.MethodPatch) {
		return &http.Response{
			StatusCode: http.StatusForbidden, Status: "403 Forbidden", Request: q,
			Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(
				`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no more writes"}`)),
		}, nil
	}
	return r.next.RoundTrip(q)
}

// A fault that cannot be taken out must be told, with the command that does it;
// and that command must do it.
func TestNotReverted(t *testing.T) {
	var closed atomic.Bool
	config := rest.CopyConfig(cluster)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return refusing{next, &closed} })
	runner, err := experiments.NewRunner(config, when("revert", func() { closed.Store(true) }),
		experiments.WithRevertBudget(3*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	report, err := runner.Run(t.Context(), inventoryDown(300*time.Millisecond))
	left, ok := errors.AsType[*injector.NotRevertedError](err)
	if !ok {
		t.Fatalf("got %v, want a NotRevertedError\n%s", err, report)
	}
	if report == nil || report.Verdict == experiments.Held || report.Clean {
		t.Errorf("the report claims success:\n%s", report)
	}
	for _, want := range []string{"VirtualService shop/inventory", "faultline revert --run " + report.Run, "no more writes"} {
		if !strings.Contains(left.Error()+strings.Join(left.Commands(), "\n"), want) {
			t.Errorf("the error lacks %q: %v", want, left)
		}
	}
	in, err := injector.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.RevertRun(t.Context(), report.Run); err != nil {
		t.Error(err)
	}
	noLeftovers(t)
}

// A fault that somebody takes out in the middle proves nothing, however green the
// rest looks.
func TestAFaultThatIsTakenOutProvesNothing(t *testing.T) {
	in, err := injector.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	var reverted error
	takeOut := when("during", func() {
		left, err := in.Leftovers(t.Context(), "shop")
		reverted = errors.Join(err, in.RevertLeftovers(t.Context(), left))
	})
	report, err := newRunner(t, takeOut).Run(t.Context(), inventoryDown(2*time.Second))
	if err != nil || reverted != nil {
		t.Fatal(err, reverted)
	}
	if report.Verdict != experiments.Inconclusive || !strings.Contains(report.Reason, "the run was not completed: evicted: ") {
		t.Errorf("got:\n%s", report)
	}
	if took := report.During.To.Sub(report.During.From); took > 10*time.Second {
		t.Errorf("the run ended only after %s", took)
	}
	noLeftovers(t)
}

// Nor does one that is there again: it was out in between.
func TestAFaultThatIsTakenOutAndPutBackProvesNothing(t *testing.T) {
	client, err := dynamic.NewForConfig(cluster)
	if err != nil {
		t.Fatal(err)
	}
	inventory := client.Resource(schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}).Namespace("shop")
	var failed error
	outAndIn := when("during", func() {
		faulted, err := inventory.Get(t.Context(), "inventory", metav1.GetOptions{})
		if err != nil {
			failed = err
			return
		}
		clean := faulted.DeepCopy()
		routes, _, err := unstructured.NestedSlice(clean.Object, "spec", "http")
		failed = errors.Join(err, unstructured.SetNestedSlice(clean.Object, routes[1:], "spec", "http"))
		written, err := inventory.Update(t.Context(), clean, metav1.UpdateOptions{})
		if err != nil {
			failed = errors.Join(failed, err)
			return
		}
		faulted.SetResourceVersion(written.GetResourceVersion())
		_, err = inventory.Update(t.Context(), faulted, metav1.UpdateOptions{})
		failed = errors.Join(failed, err)
	})
	report, err := newRunner(t, outAndIn).Run(t.Context(), inventoryDown(2*time.Second))
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	if report.Verdict != experiments.Inconclusive || !strings.Contains(report.Reason, "evicted: on VirtualService shop/inventory") {
		t.Errorf("got:\n%s", report)
	}
	noLeftovers(t)
}

// A control stream without the run's header must not notice anything.
func TestOtherRequestsMeetNoFault(t *testing.T) {
	var control loadgen.Result
	var err error
	other := when("during", func() {
		control, err = loadgen.Load{
			URL: mesh.GatewayURL() + "/checkout", Header: map[string]string{"Host": "shop.example"},
			Rate: 50, Duration: time.Second,
		}.Run(t.Context())
	})
	report, runErr := newRunner(t, other).Run(t.Context(), inventoryDown(2*time.Second))
	if runErr != nil || err != nil {
		t.Fatal(runErr, err)
	}
	if n := report.During.Load.Count(503); n != report.During.Load.Requests() || n == 0 {
		t.Errorf("the run's own requests: %s, want all 503", report.During.Load)
	}
	if rate, ok := control.SuccessRate(); !ok || rate < 1 {
		t.Errorf("other people's requests: %s", control)
	}
	noLeftovers(t)
}

// The Ginkgo door must fail the spec, with the verdict first and the report as an
// entry, and leave nothing.
func TestGinkgoTellsADeviation(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "./testdata/deviates", "-ginkgo.no-color")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+mesh.Kubeconfig())
	out, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		t.Fatalf("the suite passed, or did not run: %v\n%s", err, out)
	}
	for _, want := range []string{
		"Deviated: customers can check out while inventory is down",
		"Expected success rate to be at least 99%, but it was 0%",
		"experiment: customers can check out while inventory is down - ",
		"every fault is out again: VirtualService shop/inventory",
		"1 Passed | 1 Failed",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	noLeftovers(t)
}

// recorded is a test that only takes down what happens to it.
type recorded struct {
	testing.TB
	errors []string
}

func (r *recorded) Helper() {}
func (r *recorded) Errorf(format string, a ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, a...))
}

func TestGoTestTellsADeviation(t *testing.T) {
	e := inventoryDown(500 * time.Millisecond)
	e.SteadyState = append(e.SteadyState, assertions.HaveSuccessRate(assertions.AtLeast(1)))
	fake := &recorded{TB: t}
	experiments.Test(fake, cluster, e)
	if len(fake.errors) != 1 || !strings.HasPrefix(fake.errors[0], "Deviated: ") {
		t.Errorf("got %q", fake.errors)
	}
	noLeftovers(t)
}

// BenchmarkFaultInForce is the time from the write of a VirtualService fault
// until every one of the shop's sidecars shows it, and until every one has
// dropped it, as the reports have it.
func BenchmarkFaultInForce(b *testing.B) {
	var in, out []time.Duration
	e := inventoryDown(100 * time.Millisecond)
	e.Settle, e.Recovery = 50*time.Millisecond, 50*time.Millisecond
	for b.Loop() {
		report, err := newRunner(b).Run(b.Context(), e)
		if err != nil {
			b.Fatal(err)
		}
		if report.Injected.Proxies == 0 {
			b.Fatalf("nothing was injected:\n%s", report)
		}
		in, out = append(in, report.Injected.Max), append(out, report.Reverted.Max)
	}
	for name, times := range map[string][]time.Duration{"in": in, "out": out} {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, name+"-p50-ms")
		b.ReportMetric(float64(times[min(len(times)-1, len(times)*99/100)].Microseconds())/1000, name+"-p99-ms")
	}
	noLeftovers(b)
}

// The next run takes out what a dead one has left, once its time is over.
func TestTheNextRunRevertsWhatIsExpired(t *testing.T) {
	in, err := injector.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	e := inventoryDown(300 * time.Millisecond)
	plan, err := in.Plan(t.Context(), injector.NewRunID(), e.Faults, e.BlastRadius, in.Now().Add(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Inject(t.Context(), plan); err != nil { // and nobody reverts it
		t.Fatal(err)
	}
	expired := func() bool {
		left, err := in.Leftovers(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		return len(left) == 1 && left[0].State == injector.Stale
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !expired(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("the fault does not expire")
		}
	}
	if report, err := newRunner(t).Run(t.Context(), e); err != nil || report.Verdict != experiments.Held {
		t.Errorf("%v\n%s", err, report)
	}
	noLeftovers(t)
}
