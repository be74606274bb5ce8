package manifest_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/experiments/manifest"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
)

// read parses a file in which nothing is wrong.
func read(t *testing.T, content string) []manifest.Read {
	t.Helper()
	all, err := manifest.Parse("file.yaml", []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// claims are matchers in words; that is how they can be compared.
type claims struct{ SteadyState, Healthy, During, Recovered, HaltWhen []string }

// taken takes an experiment apart into what can be compared and its matchers.
func taken(e experiments.Experiment) (experiments.Experiment, claims) {
	var all claims
	for _, list := range []struct {
		from *[]experiments.Matcher
		to   *[]string
	}{
		{&e.SteadyState, &all.SteadyState},
		{&e.Healthy, &all.Healthy},
		{&e.During, &all.During},
		{&e.Recovered, &all.Recovered},
		{&e.HaltWhen, &all.HaltWhen},
	} {
		for _, m := range *list.from {
			*list.to = append(*list.to, fmt.Sprint(m))
		}
		*list.from = nil
	}
	return e, all
}

const everything = `
apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: everything, labels: {team: shop}, annotations: {why: "to see"}}
spec:
  title: every field is read
  faults:
  - on: {namespace: shop, service: payments, port: 8080, subset: v2}
    site: upstream
    delay: {fixed: 1500ms, percent: 12.5}
    pods: 2
    allTraffic: true
  - on:
      namespace: shop
      service: inventory
    site: caller
    abort:
      httpStatus: 503
      percent: 100
    ramp: [0.5, 20]
    from: {namespace: web, labels: {app: frontend, track: canary}}
  - on: {namespace: shop, host: api.bank.example}
    site: caller
    abort: {httpStatus: 503, percent: 100}
    from: {gateway: shop/public}
    headers: {x-tester: ada, X-Track: canary}
  - on: {namespace: shop, service: payments}
    site: upstream
    abort: {httpStatus: 503, percent: 100}
    podsPercent: 33.3
  - on: {namespace: shop, service: payments}
    site: upstream
    abort: {httpStatus: 503, percent: 100}
    podNames: [payments-a, payments-b]
  - {on: {namespace: bank, service: a}, site: caller, abort: {grpcStatus: UNAVAILABLE, percent: 5}}
  - {on: {namespace: bank, service: b}, site: caller, delays: {steps: [{fixed: 50ms, percent: 95}, {fixed: 2s, percent: 5}]}}
  - {on: {namespace: bank, service: c}, site: caller, blackhole: {percent: 50}}
  - {on: {namespace: bank, service: d}, site: caller, without: {policy: retries}}
  - {on: {namespace: bank, service: e}, site: caller, without: {policy: timeout}}
  load:
    url: http://shop.example/checkout
    connectTo: 127.0.0.1:8080
    method: POST
    header: {Host: shop.example, baggage: user=jason, x-number: "5"}
    body: '{"sku": 1}'
    rate: 0.5
    timeout: 2s
    maxInFlight: 7
  steadyState:
  - successRate: {atLeast: 0.99}
  - latency: {quantile: 0.999, atMost: 800ms}
  healthy:
  - status: {code: 0, atMost: 0}
  - tries: {service: payments, atMost: 1.05}
  during:
  - ejected: {service: payments.shop, atLeast: 1}
  - timedOut: {within: 2s}
  - delayed: {by: 5s, share: 0.1}
  - split: {service: recommendations, subset: v2, share: 0.1}
  - latency: {quantile: 0, atLeast: 1ms}
  recovered:
  - readmitted: {service: payments}
  haltWhen:
  - successRate: {atMost: 0.5}
  - {latency: {quantile: 0.99, atLeast: 3s}, window: 5s}
  - promql:
      url: https://prometheus.example/team
      query: sum(rate(errors[30s]))
      bearerTokenFile: /var/run/token
      caFile: /etc/ca.pem
      timeout: 1s
      atLeast: -0.5
  blastRadius:
    namespaces: [shop, bank]
    namespaceLabel: faultline.dev/allowed=true
    maxPercent: 100
    maxPods: 3
    allTraffic: true
  settle: 1m30s
  duration: 2500ms
  recovery: 1h
  alpha: 1e-9
`

func inBank(service string, effect injector.Effect) injector.Fault {
	return injector.Fault{On: injector.Service{Namespace: "bank", Name: service}, Effect: effect, Site: injector.Caller}
}

func TestEveryFieldIsRead(t *testing.T) {
	all := read(t, everything)
	if len(all) != 1 || all[0].File != "file.yaml" {
		t.Fatalf("read %d experiments, the first of file %q", len(all), all[0].File)
	}
	got, said := taken(all[0].Experiment)
	want := experiments.Experiment{
		Name: "everything", Title: "every field is read",
		Faults: []injector.Fault{
			{
				On:     injector.Service{Namespace: "shop", Name: "payments", Port: 8080, Subset: "v2"},
				Effect: injector.Delay{Fixed: 1500 * time.Millisecond, Percent: 12.5},
				Site:   injector.Upstream, Pods: 2, AllTraffic: true,
			},
			{
				On:     injector.Service{Namespace: "shop", Name: "inventory"},
				Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
				Site:   injector.Caller, Ramp: []float64{0.5, 20},
				From: injector.Callers{Namespace: "web", Labels: map[string]string{"app": "frontend", "track": "canary"}},
			},
			{
				On:      injector.Service{Namespace: "shop", Host: "api.bank.example"},
				Effect:  injector.Abort{HTTPStatus: 503, Percent: 100},
				Site:    injector.Caller,
				From:    injector.Callers{Gateway: "shop/public"},
				Headers: map[string]string{"x-tester": "ada", "X-Track": "canary"},
			},
			{
				On:     injector.Service{Namespace: "shop", Name: "payments"},
				Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
				Site:   injector.Upstream, PodsPercent: 33.3,
			},
			{
				On:     injector.Service{Namespace: "shop", Name: "payments"},
				Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
				Site:   injector.Upstream, PodNames: []string{"payments-a", "payments-b"},
			},
			inBank("a", injector.Abort{GRPCStatus: "UNAVAILABLE", Percent: 5}),
			inBank("b", injector.Delays{Steps: []injector.DelayStep{{Fixed: 50 * time.Millisecond, Percent: 95}, {Fixed: 2 * time.Second, Percent: 5}}}),
			inBank("c", injector.Blackhole{Percent: 50}),
			inBank("d", injector.Without{Policy: injector.Retries}),
			inBank("e", injector.Without{Policy: injector.Timeout}),
		},
		Load: loadgen.Load{
			URL: "http://shop.example/checkout", ConnectTo: "127.0.0.1:8080", Method: "POST",
			Header: map[string]string{"Host": "shop.example", "baggage": "user=jason", "x-number": "5"},
			Body:   `{"sku": 1}`, Rate: 0.5, Timeout: 2 * time.Second, MaxInFlight: 7,
		},
		BlastRadius: injector.BlastRadius{
			Namespaces: []string{"shop", "bank"}, NamespaceLabel: "faultline.dev/allowed=true",
			MaxPercent: 100, MaxPods: 3, AllTraffic: true,
		},
		Settle: 90 * time.Second, Duration: 2500 * time.Millisecond, Recovery: time.Hour,
		Alpha: 1e-9,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	words := claims{
		SteadyState: []string{"success rate at least 99%", "p99.9 latency at most 800ms"},
		Healthy:     []string{"share of requests without an answer at most 0%", "number of tries at payments per request at most 1.05"},
		During: []string{
			"number of ejected hosts of payments.shop at least 1", "timed out within 2s", "10% of the requests delayed by 5s",
			"10% of recommendations to subset v2", "p0 latency at least 1ms",
		},
		Recovered: []string{"all ejected hosts of payments readmitted"},
		HaltWhen:  []string{"success rate at most 50%", "p99 latency at least 3s, of the last 5s", "promql sum(rate(errors[30s])) at least -0.5"},
	}
	if diff := cmp.Diff(words, said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// head and judged are what every experiment needs; name goes in between.
const (
	head   = "apiVersion: faultline.dev/v1alpha1\nkind: Experiment\nmetadata: {name: %s}\nspec:\n"
	judged = "  load: {url: \"http://shop.example\"}\n  steadyState: [{successRate: {atLeast: 0.99}}]\n"
)

func TestGoodFiles(t *testing.T) {
	small := func(name string) string { return fmt.Sprintf(head, name) + judged }
	fault := injector.Fault{
		On:     injector.Service{Namespace: "shop", Name: "payments"},
		Effect: injector.Abort{HTTPStatus: 503, Percent: 50}, Site: injector.Caller,
	}
	upstream := fault
	upstream.Site = injector.Upstream
	tests := []struct {
		claim, content string
		names          []string
		faults         []injector.Fault // of the first
		load           loadgen.Load     // of the first; zero: not compared
	}{
		{
			claim:   "the name serves as title; what is left out is zero, for the engine to fill in",
			content: small("small"), names: []string{"small"}, load: loadgen.Load{URL: "http://shop.example"},
		},
		{
			claim:   "several documents, one of them only a comment",
			content: "# first\n---\n" + small("a") + "---\n# nothing here\n---\n" + small("b") + "---\n",
			names:   []string{"a", "b"},
		},
		{
			claim: "the key on is text, though YAML 1.1 has it as true",
			content: fmt.Sprintf(head, "on") +
				"  faults:\n  - on: {namespace: shop, service: payments}\n    site: caller\n    abort: {httpStatus: 503, percent: 50}\n" + judged,
			names: []string{"on"}, faults: []injector.Fault{fault},
		},
		{
			claim: "and so is the text on",
			content: fmt.Sprintf(head, "on") + "  load: {url: \"http://shop.example\", header: {x-canary: on, x-answer: yes}}\n" +
				"  steadyState: [{successRate: {atLeast: 0.99}}]\n",
			names: []string{"on"},
			load:  loadgen.Load{URL: "http://shop.example", Header: map[string]string{"x-canary": "on", "x-answer": "yes"}},
		},
		{
			claim: "JSON is YAML",
			content: `{"apiVersion": "faultline.dev/v1alpha1", "kind": "Experiment", "metadata": {"name": "json"}, "spec": {` +
				`"faults": [{"on": {"namespace": "shop", "service": "payments"}, "site": "caller", "abort": {"httpStatus": 503, "percent": 50}}], ` +
				`"load": {"url": "http://shop.example"}, "steadyState": [{"successRate": {"atLeast": 1}}]}}`,
			names: []string{"json"}, faults: []injector.Fault{fault},
		},
		{
			claim: "anchors, aliases and merges; the item's own names win over those merged",
			content: fmt.Sprintf(head, "anchors") + "  faults:\n  - &first\n    on: {namespace: shop, service: payments}\n    site: caller\n" +
				"    abort: &half {httpStatus: 503, percent: 50}\n  - {<<: [*first], site: upstream}\n  - {<<: *first, site: upstream, abort: *half}\n" + judged,
			names: []string{"anchors"}, faults: []injector.Fault{fault, upstream, upstream},
		},
		{
			claim: "fields and lists that are left empty are as if they were not there",
			content: fmt.Sprintf(head, "empty") + judged +
				"  title:\n  faults:\n  during: []\n  healthy: ~\n  blastRadius:\n  settle:\n  gateway: \"\"\n",
			names: []string{"empty"}, load: loadgen.Load{URL: "http://shop.example"},
		},
		{
			claim:   "numbers as people write them",
			content: fmt.Sprintf(head, "numbers") + "  load: {url: \"http://shop.example\", rate: 1e3, maxInFlight: 0x10}\n  healthy: [{tries: {service: a, atMost: 2}}]\n",
			names:   []string{"numbers"}, load: loadgen.Load{URL: "http://shop.example", Rate: 1000, MaxInFlight: 16},
		},
	}
	for _, test := range tests {
		t.Run(test.claim, func(t *testing.T) {
			all := read(t, test.content)
			var names []string
			for _, one := range all {
				names = append(names, one.Name)
			}
			if !slices.Equal(names, test.names) {
				t.Fatalf("read %q, want %q", names, test.names)
			}
			if first := all[0]; first.Title != first.Name {
				t.Errorf("title %q, want the name %q", first.Title, first.Name)
			}
			if diff := cmp.Diff(test.faults, all[0].Faults); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.load, all[0].Load); test.load.URL != "" && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestStopEarlyIsRead(t *testing.T) {
	for content, want := range map[string]bool{"": false, "  stopEarly: true\n": true, "  stopEarly: false\n": false} {
		if got := read(t, fmt.Sprintf(head, "early")+judged+content)[0].StopEarly; got != want {
			t.Errorf("%q: %t", content, got)
		}
	}
}
