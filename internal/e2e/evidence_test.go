package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/examples/shop/shopmesh"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/meshtest"
	"github.com/faultline-mesh/faultline/observe"
)

// unlogged is a cluster in which nobody may read the logs of pods.
type unlogged struct{ next http.RoundTripper }

func (u unlogged) RoundTrip(q *http.Request) (*http.Response, error) {
	if strings.HasSuffix(q.URL.Path, "/log") {
		return nil, fmt.Errorf("logs are not for you")
	}
	return u.next.RoundTrip(q)
}

func withoutLogs(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return unlogged{next} })
	return config
}

// sourcesOf runs e on a cluster, and returns the report and the names of the
// sources that spoke.
func sourcesOf(t *testing.T, config *rest.Config, e experiments.Experiment) (report *experiments.Report, sources string) {
	t.Helper()
	runner, err := experiments.NewRunner(config)
	if err != nil {
		t.Fatal(err)
	}
	if report, err = runner.Run(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", report)
	var names []string
	for _, evidence := range report.Evidence {
		for _, s := range evidence.Sources {
			names = append(names, s.Name)
		}
	}
	return report, strings.Join(names, ", ")
}

// Without access logs the answers still show a fault that hits every request, and
// requests that pass an abort show that it is not theirs.
func TestEvidenceWithoutAccessLogs(t *testing.T) {
	deployHush(t)
	config := withoutLogs(cluster)
	report, sources := sourcesOf(t, config, hushed("loud", atCheckout))
	if report.Verdict != experiments.Held || sources != "response header" || report.Evidence[0].Fired != report.During.Load.Requests() {
		t.Errorf("by %s; want Held, by the response header, for every request", sources)
	}
	report, sources = sourcesOf(t, config, hushed("mute", atCheckout))
	if report.Verdict != experiments.Inconclusive || sources != "" || !strings.Contains(report.Reason, "the fault's requests do not arrive at its hop") {
		t.Errorf("by %q; want Inconclusive, because the header does not arrive", sources)
	}
	report, _ = sourcesOf(t, config, hushed("half", atCheckout))
	if report.Verdict != experiments.Inconclusive {
		t.Error("half of the requests, of which nobody tells whose they are, were taken for all")
	}
	noLeftovers(t)
}

// Where proxies export the fault filters' counters, they agree with the logs, and
// do in their place.
func TestEvidenceOfFaultCounters(t *testing.T) {
	open, stop, err := shopmesh.Start(t.Context(), func(m *meshtest.Mesh) { m.AllStats = true })
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		config *rest.Config
		site   injector.Site
		want   string
	}{
		{"at the caller", open.Config(), injector.Caller, "access log, fault counters, response header"},
		{"in the pods", open.Config(), injector.Upstream, "access log, fault counters"},
		{"at the caller, without logs", withoutLogs(open.Config()), injector.Caller, "fault counters, response header"},
		{"in the pods, without logs", withoutLogs(open.Config()), injector.Upstream, "fault counters"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := inventoryDown(time.Second)
			e.Faults[0].Site = test.site
			report, sources := sourcesOf(t, test.config, e)
			evidence := report.Evidence[0]
			if report.Verdict != experiments.Held || sources != test.want || evidence.Conflict != "" {
				t.Errorf("by %s; want Held, by %s", sources, test.want)
			}
			if n := report.During.Load.Requests(); evidence.Fired < n-1 || evidence.Fired > n+1 {
				t.Errorf("fired %d times for %d requests", evidence.Fired, n)
			}
		})
	}
}

// Stock Envoy exports none of Istio's metrics. Its page is read all the same.
func TestStockEnvoyHasNoRequestMetrics(t *testing.T) {
	m, proxies := observed(t, "shop")
	for _, p := range proxies {
		if requests, err := m.Requests(t.Context(), p); err != nil || len(requests) != 0 {
			t.Errorf("%s: %v, %v", p, requests, err)
		}
	}
}

// observed are the proxies of a namespace, and the way to them.
func observed(t *testing.T, namespace string) (*observe.Mesh, []observe.Proxy) {
	t.Helper()
	m, err := observe.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	proxies, err := m.Proxies(t.Context(), namespace)
	if err != nil || len(proxies) == 0 {
		t.Fatalf("proxies %v, %v", proxies, err)
	}
	return m, proxies
}

// A caller in another namespace, whose proxy is not observed, is found when the
// load passes nowhere else; the run goes on, and its evidence is looked for there.
func TestACallerInAnotherNamespaceIsFound(t *testing.T) {
	deployHush(t)
	m, proxies := observed(t, "shop")
	i := slices.IndexFunc(proxies, func(p observe.Proxy) bool { return strings.HasPrefix(p.Pod, "frontend-") })
	dump, err := m.ConfigDump(t.Context(), proxies[i], "resource=dynamic_listeners")
	if err != nil {
		t.Fatal(err)
	}
	bound := regexp.MustCompile(`"address": "([0-9.]+)",\s*"port_value": 15080\s`).FindSubmatch(dump)
	if bound == nil {
		t.Fatal("shop/frontend has no listener for what its app sends")
	}
	// The load takes the place of the app beside shop/frontend's proxy.
	e := hushed("loud", atCheckout)
	e.Gateway, e.Load.ConnectTo = "", string(bound[1])+":15080"
	e.Load.URL = "http://checkout.hush.svc.cluster.local/checkout"
	report := told(t, e, experiments.Held)
	if proxies := report.Evidence[0].Proxies; len(proxies) != 1 || !strings.HasPrefix(proxies[0].Proxy, "Pod shop/frontend-") {
		t.Errorf("it fired on %+v", proxies)
	}
}
