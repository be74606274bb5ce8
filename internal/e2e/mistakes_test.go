package e2e

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// The mesh does what docs/mistakes.md says of it, and preflight warns of it: with
// policies of payments that have a mistake, each experiment is Held.
func TestMistakesAreReal(t *testing.T) {
	slow := func(d time.Duration) injector.Fault {
		return fault("payments", injector.Upstream, injector.Delay{Fixed: d, Percent: 100})
	}
	failing := fault("payments", injector.Upstream, injector.Abort{HTTPStatus: 503, Percent: 100})
	onePod := failing
	onePod.Pods = 1
	between := func(low, high float64) []experiments.Matcher {
		return []experiments.Matcher{assertions.HaveTries("payments", assertions.AtLeast(low)), assertions.HaveTries("payments", assertions.AtMost(high))}
	}
	for _, test := range []struct {
		name, warns    string
		resource, spec string // of the object payments, in the place of the shop's
		shown          string // in the proxies' config, once it is there
		fault          injector.Fault
		during         []experiments.Matcher
		recovery       time.Duration
	}{
		{
			"of four tries three begin", "last-try-never-ends",
			"virtualservices", `{http: [{name: mistake-1, timeout: 1s, retries: {attempts: 3, perTryTimeout: 400ms, retryOn: 5xx}, route: [{destination: {host: payments}}]}]}`,
			`"mistake-1"`, slow(2 * time.Second), append(between(2.9, 3.1), assertions.HaveStatus(504, assertions.AtLeast(0.99))), time.Second,
		},
		{
			"a try that ran out of its time is not repeated", "per-try-timeout-cuts-all",
			"virtualservices", `{http: [{name: mistake-16, timeout: 3s, retries: {attempts: 3, perTryTimeout: 300ms, retryOn: "connect-failure,504"}, route: [{destination: {host: payments}}]}]}`,
			`"mistake-16"`, slow(600 * time.Millisecond), append(between(0.99, 1.01), assertions.HaveStatus(504, assertions.AtLeast(0.99))), time.Second,
		},
		{
			"the default retryOn has no HTTP status", "retries-miss-http-errors",
			"virtualservices", `{http: [{name: mistake-5, timeout: 3s, retries: {attempts: 3}, route: [{destination: {host: payments}}]}]}`,
			`"mistake-5"`, failing, between(0.99, 1.01), time.Second,
		},
		{
			"10 percent of three hosts is none", "ejection-of-nobody",
			"destinationrules", `{trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 7s}}}`,
			`"base_ejection_time": "7s"`, onePod,
			[]experiments.Matcher{assertions.HaveEjected("payments", assertions.AtMost(0)), assertions.HaveTries("payments", assertions.AtLeast(1.2))},
			time.Second,
		},
		{
			"consecutiveErrors is not read", "consecutive-errors-ignored",
			"destinationrules", `{trafficPolicy: {outlierDetection: {consecutiveErrors: 1000, interval: 1s, baseEjectionTime: 4s, maxEjectionPercent: 50}}}`,
			`"base_ejection_time": "4s"`, onePod,
			[]experiments.Matcher{assertions.HaveEjected("payments", assertions.AtLeast(1))},
			6 * time.Second, // until the ejection is over
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			instead(t, test.resource, test.spec, test.shown)
			e := on(3*time.Second, 50, test.fault)
			e.BlastRadius = injector.BlastRadius{Namespaces: []string{"shop"}}
			e.During, e.Healthy, e.Recovery = test.during, nil, test.recovery
			report := tried(t, e, experiments.Held)
			if !slices.ContainsFunc(report.Findings, func(f preflight.Finding) bool { return f.Rule == test.warns }) {
				t.Errorf("preflight does not warn of %s: %v", test.warns, report.Findings)
			}
		})
	}
}

// instead puts another spec into the shop's object payments, waits until the
// caller's proxy has it, and in the end puts the shop's own back: each run waits
// for the policies that are written.
func instead(t *testing.T, resource, spec, shown string) {
	t.Helper()
	quiet := rest.CopyConfig(cluster)
	quiet.WarningHandler = rest.NoWarnings{} // the API server knows of one of the mistakes
	client, err := dynamic.NewForConfig(quiet)
	if err != nil {
		t.Fatal(err)
	}
	api := client.Resource(schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: resource}).Namespace("shop")
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(spec), &fields); err != nil {
		t.Fatal(err)
	}
	original, err := api.Get(t.Context(), "payments", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	update := func(ctx context.Context, change func(o *unstructured.Unstructured)) {
		live, err := api.Get(ctx, "payments", metav1.GetOptions{})
		if err == nil {
			change(live)
			_, err = api.Update(ctx, live, metav1.UpdateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		update(context.WithoutCancel(t.Context()), func(o *unstructured.Unstructured) { o.Object["spec"] = original.Object["spec"] })
	})
	update(t.Context(), func(o *unstructured.Unstructured) {
		maps.Copy(o.Object["spec"].(map[string]any), fields)
	})
	untilCheckout(t.Context(), t, func(config string) bool { return strings.Contains(config, shown) })
}

// untilCheckout waits until the proxy beside checkout, who calls payments, has a
// config.
func untilCheckout(ctx context.Context, t *testing.T, has func(config string) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	m, err := observe.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }() // nothing of the mesh's depends on it
	proxies, err := m.Proxies(ctx, "shop")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(proxies, func(p observe.Proxy) bool { return p.Labels["app"] == "checkout" })
	if i < 0 {
		t.Fatalf("no checkout among %v", proxies)
	}
	eventually(t, "the policy in the proxy of checkout", func() bool {
		config, err := m.ConfigDump(ctx, proxies[i], "")
		return err == nil && has(string(config))
	})
}
