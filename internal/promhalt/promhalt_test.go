package promhalt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/examples/shop/shopmesh"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/meshtest"
	"github.com/faultline-mesh/faultline/meshtest/prometheustest"
)

var cluster *rest.Config

func TestMain(m *testing.M) {
	experiments.Main(shopmesh.Around(m, func(shop *meshtest.Mesh) { cluster = shop.Config() },
		func(shop *meshtest.Mesh) { shop.AllStats = true })) // by default, Istio's proxies export nothing of HTTP
}

// serverErrors are the answers with a 5xx, each second, that the proxies saw.
const serverErrors = `sum(rate(envoy_cluster_upstream_rq_xx{envoy_response_code_class="5"}[3s]))`

// scraped is a Prometheus that scrapes every proxy of the mesh.
func scraped(t *testing.T) *prometheustest.Server {
	t.Helper()
	kube, err := kubernetes.NewForConfig(cluster)
	if err != nil {
		t.Fatal(err)
	}
	pods, err := kube.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) == 0 {
		t.Fatalf("%d pods, %v", len(pods.Items), err)
	}
	var targets []string
	for _, pod := range pods.Items {
		targets = append(targets, net.JoinHostPort(pod.Status.PodIP, "15000"))
	}
	server, err := prometheustest.Start(t.Context(), func(line string) { t.Log(line) }, targets...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// inventoryDown is an experiment of which nothing but the halt condition ends the
// fault phase early.
func inventoryDown(when experiments.Matcher) experiments.Experiment {
	return experiments.Experiment{
		Title: "the shop answers something while inventory is down",
		Faults: []injector.Fault{{
			On:     injector.Service{Namespace: "shop", Name: "inventory"},
			Site:   injector.Caller,
			Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
		}},
		Gateway:     "istio-system/istio-ingressgateway",
		Load:        loadgen.Load{URL: "http://shop.example/checkout", Rate: 50},
		SteadyState: []experiments.Matcher{assertions.HaveLatency(assertions.P50, assertions.AtMost(5*time.Second))},
		HaltWhen:    []experiments.Matcher{when},
		BlastRadius: injector.BlastRadius{Namespaces: []string{"shop"}},
		Settle:      time.Second, Duration: time.Minute, Recovery: time.Second,
	}
}

// run performs e, and says what it told about halting.
func run(t *testing.T, e experiments.Experiment) (report *experiments.Report, told string, err error) {
	t.Helper()
	var said strings.Builder
	runner, err := experiments.NewRunner(cluster, experiments.WithProgress(func(e experiments.Event) {
		if e.Step == "halt" {
			fmt.Fprintln(&said, e.Text)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	report, err = runner.Run(t.Context(), e)
	in, failed := injector.New(cluster)
	if failed != nil {
		t.Fatal(failed)
	}
	left, failed := in.Leftovers(context.WithoutCancel(t.Context()))
	if failed != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, failed)
	}
	return report, said.String(), err
}

// What the proxies counted ends the fault phase, and the report says by which
// query, which value, and how soon the revert began.
func TestProxyCountersHalt(t *testing.T) {
	server := scraped(t)
	report, _, err := run(t, inventoryDown(assertions.HavePromQL(
		assertions.Prometheus{URL: server.URL}, serverErrors, assertions.AtLeast(5.0))))
	if err != nil || report.Verdict != experiments.Halted || !report.Clean {
		t.Fatalf("got %v:\n%s", err, report)
	}
	if want := "halted: promql " + serverErrors + " at least 5: "; !strings.HasPrefix(report.Reason, want) {
		t.Errorf("got:\n%s\nwant: %s", report, want)
	}
	h := report.Halt
	if h == nil || h.Measured == "" || h.After <= 0 || h.After > time.Second {
		t.Errorf("got %+v, want the revert to begin within 1s", h)
	}
	if took := report.During.To.Sub(report.During.From); took > 20*time.Second {
		t.Errorf("the fault phase took %s", took)
	}
	if report.During.Load.Count(503) == 0 || len(report.During.Mesh.Proxies) == 0 {
		t.Errorf("the report lost what was seen of the fault phase:\n%s", report)
	}
	t.Logf("seen %s after the phase began, revert began %s later; %s",
		h.At.Sub(report.During.From).Round(time.Millisecond), h.After, report.Reason)
}

// The same without trouble is Held: a delay that nobody takes for an error.
func TestProxyCountersDoNotHalt(t *testing.T) {
	server := scraped(t)
	e := inventoryDown(assertions.HavePromQL(assertions.Prometheus{URL: server.URL}, serverErrors, assertions.AtLeast(5.0)))
	e.Faults[0].Effect, e.Duration = injector.Delay{Fixed: 10 * time.Millisecond, Percent: 100}, 6*time.Second
	if report, _, err := run(t, e); err != nil || report.Verdict != experiments.Held || report.Halt != nil {
		t.Errorf("got %v:\n%s", err, report)
	}
}

// No data is no match, and is told.
func TestNoDataDoesNotHalt(t *testing.T) {
	server := scraped(t)
	e := inventoryDown(assertions.HavePromQL(assertions.Prometheus{URL: server.URL}, "no_such_metric", assertions.AtLeast(0.0)))
	e.Duration = 2 * time.Second
	report, told, err := run(t, e)
	if err != nil || report.Verdict != experiments.Held {
		t.Errorf("got %v:\n%s", err, report)
	}
	if want := "haltWhen[0] cannot match as long as this is so: HavePromQL has no samples: promql no_such_metric gives no data\n"; told != want+want+want {
		t.Errorf("told:\n%s\nwant three times:\n%s", told, want)
	}
}

// Who cannot see must stop.
func TestADeadServerHalts(t *testing.T) {
	server := scraped(t)
	var once sync.Once
	var killed error
	kill := experiments.WithProgress(func(e experiments.Event) {
		if e.Step == experiments.DuringPhase {
			once.Do(func() { killed = server.Kill() })
		}
	})
	runner, err := experiments.NewRunner(cluster, kill)
	if err != nil {
		t.Fatal(err)
	}
	report, err := runner.Run(t.Context(), inventoryDown(assertions.HavePromQL(
		assertions.Prometheus{URL: server.URL}, serverErrors, assertions.AtLeast(1e6))))
	if err != nil || killed != nil || report.Verdict != experiments.Halted || !report.Clean {
		t.Fatalf("got %v, %v:\n%s", err, killed, report)
	}
	for _, want := range []string{
		"halted: haltWhen[0] could not be asked 3 times in a row; who cannot see must stop: query ", serverErrors[:20], "the server cannot be reached: ",
	} {
		if !strings.Contains(report.Reason, want) {
			t.Errorf("got:\n%s\nwant in it: %s", report, want)
		}
	}
	if report.Halt.After > time.Second {
		t.Errorf("the revert began after %s", report.Halt.After)
	}
}

// A server that is not there, a query that is none, and one that gives no number
// refuse the run before anything is written.
func TestRefusedBeforeAnythingIsWritten(t *testing.T) {
	server := scraped(t)
	for want, when := range map[string]experiments.Matcher{
		`query "up" at http://127.0.0.1:1: the server cannot be reached: dial tcp 127.0.0.1:1: connect: connection refused`:                   assertions.HavePromQL(assertions.Prometheus{URL: "http://127.0.0.1:1"}, "up", assertions.AtLeast(1)),
		`query "sum(up" at ` + server.URL + `: the server refuses it: invalid parameter "query": 1:7: parse error: unclosed left parenthesis`: assertions.HavePromQL(assertions.Prometheus{URL: server.URL}, "sum(up", assertions.AtLeast(1)),
		`it gives a range vector, want a scalar or an instant vector`:                                                                         assertions.HavePromQL(assertions.Prometheus{URL: server.URL}, "up[1m]", assertions.AtLeast(1)),
		`its answer cannot be read`: assertions.HavePromQL(assertions.Prometheus{URL: server.URL}, `"text"`, assertions.AtLeast(1)),
	} {
		report, _, err := run(t, inventoryDown(when))
		if _, isInput := errors.AsType[*experiments.InputError](err); !isInput || report != nil || !strings.Contains(err.Error(), "haltWhen[0]: query ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

// A condition that matches already says nothing of the fault, which is not made.
func TestAConditionThatMatchesAlready(t *testing.T) {
	server := scraped(t)
	report, _, err := run(t, inventoryDown(assertions.HavePromQL(assertions.Prometheus{URL: server.URL}, "vector(3)", assertions.AtLeast(1))))
	if err != nil || report.Verdict != experiments.Halted || len(report.Objects) != 0 ||
		report.Reason != "halted: promql vector(3) at least 1: 3; before anything was injected" {
		t.Errorf("got %v:\n%s", err, report)
	}
}
