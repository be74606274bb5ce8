package experiments

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/tools/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

var update = flag.Bool("update", false, "rewrite what the golden files under testdata expect")

// TestMain looks for goroutines that outlive the tests.
func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// began is when the phases of the tests begin.
var began = time.Date(2026, 11, 23, 5, 46, 0, 0, time.UTC)

// answers is a load of so many requests, one each 10 ms, answered with the codes
// in turn after 1 ms, 2 ms and so on.
func answers(n int, codes ...int) loadgen.Result {
	var r loadgen.Result
	for i := range n {
		r.Samples = append(r.Samples, loadgen.Sample{
			Seq: uint64(i), Intended: began.Add(time.Duration(i) * 10 * time.Millisecond),
			Latency: time.Duration(i+1) * time.Millisecond, Code: codes[i%len(codes)],
		})
	}
	return r
}

// says is a matcher that gives one answer to everything.
type says struct {
	ok  bool
	err error
}

func (s says) Match(any) (bool, error)        { return s.ok, s.err }
func (says) FailureMessage(any) string        { return "Expected what was wanted, but it was not" }
func (says) NegatedFailureMessage(any) string { return "Expected not what was wanted, but it was" }

// claimed is one that says what it claims.
type claimed struct {
	says
	claim string
}

func named(s says, claim string) Matcher { return claimed{s, claim} }
func (c claimed) String() string         { return c.claim }

// matches is a matcher by its judgement alone.
type matches func(actual any) (bool, error)

func (f matches) Match(actual any) (bool, error) { return f(actual) }
func (matches) FailureMessage(any) string        { return "Expected it to match" }
func (matches) NegatedFailureMessage(any) string { return "Expected it not to match" }

// noSamples is an error that says whether there was too little to judge by.
type noSamples bool

func (noSamples) Error() string     { return "HaveX has no samples: none were sent" }
func (n noSamples) NoSamples() bool { return bool(n) }

var errMisuse = errors.New("HaveX needs a value with X(), not experiments.Phase")

// sidecar and gateway are proxies.
func sidecar(namespace, pod string) observe.Proxy {
	return observe.Proxy{Namespace: namespace, Pod: pod, IP: "10.0.0." + pod[len(pod)-1:]}
}

func gateway(namespace, pod string) observe.Proxy {
	return observe.Proxy{Namespace: namespace, Pod: pod, Gateway: true}
}

func outbound(service string) observe.Cluster {
	return observe.Cluster{Direction: observe.Outbound, Port: 80, Service: service + ".svc.cluster.local"}
}

var (
	onPayments  = injector.Service{Namespace: "shop", Name: "payments"}
	onInventory = injector.Service{Namespace: "shop", Name: "inventory"}
	abortAll    = injector.Abort{HTTPStatus: 503, Percent: 100}

	callerFault   = injector.Fault{On: onInventory, Effect: abortAll, Site: injector.Caller}
	upstreamFault = injector.Fault{On: onPayments, Effect: abortAll, Site: injector.Upstream}
)

// callerEdit is an edit of a VirtualService that is exported to the namespaces.
func callerEdit(fault int, routes []string, exportTo ...any) injector.Edit {
	spec := map[string]any{}
	if exportTo != nil {
		spec["exportTo"] = exportTo
	}
	return injector.Edit{
		Ref:    injector.Ref{Kind: "VirtualService", Namespace: "shop", Name: "inventory"},
		After:  &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"namespace": "shop"}, "spec": spec}},
		Marker: "faultline-7f3a-", Routes: routes, Fault: fault, Signs: aborts(100),
	}
}

// upstreamEdit is an EnvoyFilter for some pods.
func upstreamEdit(fault int, name string, pods ...string) injector.Edit {
	return injector.Edit{
		Ref:    injector.Ref{Kind: "EnvoyFilter", Namespace: "shop", Name: name},
		Marker: name, Fault: fault, Pods: pods, Signs: aborts(100),
	}
}

// aborts is how an abort shows.
func aborts(percent float64) []injector.Sign {
	return []injector.Sign{{Percent: percent, Flags: []string{"FI"}, Counter: "aborts_injected"}}
}

// golden compares files of an archive with what they should be, or, with
// -update, makes them so.
func golden(t *testing.T, path string, files ...txtar.File) {
	t.Helper()
	got := txtar.Format(&txtar.Archive{Files: files})
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got:\n%s\nwant, as in %s:\n%s", got, path, want)
	}
}
