package preflight

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/loadgen"
)

// A ruleCase is a question about the shop, and what one rule finds in it.
type ruleCase struct {
	name    string
	faults  []injector.Fault
	claims  []Claimed
	change  func(*Question) // of lengths and load; nil for none
	objects []string
	want    string // "" for nothing
}

// question is what the case asks: 50 requests a second for 5 s in each phase.
func (r ruleCase) question() Question {
	q := Question{
		Faults: r.faults, Claims: r.claims, Load: loadgen.Load{URL: "http://shop.example/", Rate: 50},
		Settle: 5 * time.Second, Duration: 5 * time.Second, Recovery: 5 * time.Second,
	}
	if r.change != nil {
		r.change(&q)
	}
	return q
}

// runRule holds what a rule finds against what the cases want.
func runRule(t *testing.T, id string, refused bool, cases []ruleCase) {
	t.Helper()
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			w := shopWorld(t, test.objects...)
			if got := text(id, test.question(), w); got != test.want {
				t.Errorf("found\n%s\nwant\n%s", got, test.want)
			}
			for _, f := range Check(test.question(), w).Findings {
				if f.Rule == id && f.Refused != refused {
					t.Errorf("refused: %t, of %s", f.Refused, f)
				}
			}
		})
	}
}

// Claims of the tests.
func ejected(n float64) Claimed {
	return during(claim.Claim{Kind: claim.Ejected, Service: "payments", Range: claim.AtLeast(n), Samples: 1})
}

func tried(n float64) Claimed {
	return during(claim.Claim{Kind: claim.Tries, Service: "payments", Range: claim.AtLeast(n), Samples: 1})
}

func readmitted() Claimed {
	return Claimed{Claim: claim.Claim{Kind: claim.Readmitted, Service: "payments", Range: claim.Any(), Samples: 1}, Field: "recovered[0]", Phases: []Phase{Recovery}}
}

func delayed(site injector.Site, d time.Duration) injector.Fault {
	f := abort(site, 503, 100, 0)
	f.Effect = injector.Delay{Fixed: d, Percent: 100}
	return f
}

const fiveInRow = "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5, interval: 1s, baseEjectionTime: 3s, maxEjectionPercent: 50}}"

func outlier(fields string) string {
	return ruleYAML("payments", "trafficPolicy: {outlierDetection: {"+fields+"}}")
}

func TestFaultSite(t *testing.T) {
	caller, upstream := abort(injector.Caller, 503, 100, 0), abort(injector.Upstream, 503, 100, 0)
	elsewhere := caller
	elsewhere.On.Name = "checkout"
	without := caller
	without.Effect = injector.Without{Policy: injector.Retries}
	steady := tried(1)
	steady.Field, steady.Range = "steadyState[0]", claim.AtMost(1.5)
	runRule(t, "fault-site", true, []ruleCase{
		{
			name: "ejections of a caller fault", faults: []injector.Fault{caller}, claims: []Claimed{ejected(1)},
			want: "during[0]: Service shop/payments: asserts ejections of payments, and faults[0] is made at the caller site, in the callers' proxies before their router: " +
				"no host answers, fails or times out, so that outlierDetection of payments has nothing to count. Set faults[0].site: upstream, which makes it in the pods of payments.",
		},
		{
			name: "retries of a caller fault", faults: []injector.Fault{caller}, claims: []Claimed{tried(2)},
			want: "during[0]: Service shop/payments: asserts retries of payments, and faults[0] is made at the caller site, in the callers' proxies before their router: " +
				"retries of that hop never see it. Set faults[0].site: upstream, which makes it in the pods of payments.",
		},
		{name: "an upstream fault", faults: []injector.Fault{upstream}, claims: []Claimed{ejected(1), tried(2)}},
		{name: "one of each", faults: []injector.Fault{caller, upstream}, claims: []Claimed{ejected(1)}},
		{name: "a caller fault behind the service", faults: []injector.Fault{elsewhere}, claims: []Claimed{ejected(1)}},
		{name: "a policy is taken out", faults: []injector.Fault{without}, claims: []Claimed{tried(1)}},
		{name: "what must hold all the time", faults: []injector.Fault{caller}, claims: []Claimed{steady}},
	})
}

func TestEjectionImpossible(t *testing.T) {
	f := []injector.Fault{abort(injector.Upstream, 503, 100, 1)}
	runRule(t, "ejection-impossible", true, []ruleCase{
		{
			name: "10 % of 3 hosts", faults: f, claims: []Claimed{ejected(1)}, objects: []string{outlier("consecutive5xxErrors: 5")},
			want: "during[0]: DestinationRule shop/payments: asserts that 1 host is ejected, and maxEjectionPercent is 10, which is what it is when it is not set: " +
				"10% of the 3 hosts of payments is none. Set maxEjectionPercent to 34 or more, or run more pods (10 of them).",
		},
		{
			name: "33 % of 3 hosts", faults: f, claims: []Claimed{readmitted()}, objects: []string{outlier("maxEjectionPercent: 33")},
			want: "recovered[0]: DestinationRule shop/payments: asserts that 1 host is ejected, and maxEjectionPercent is 33: " +
				"33% of the 3 hosts of payments is none. Set maxEjectionPercent to 34 or more, or run more pods (4 of them).",
		},
		{
			name: "two of three by half", faults: f, claims: []Claimed{ejected(2)}, objects: []string{ruleYAML("payments", fiveInRow)},
			want: "during[0]: DestinationRule shop/payments: asserts that 2 hosts are ejected, and maxEjectionPercent is 50: " +
				"50% of the 3 hosts of payments is 1 host. Set maxEjectionPercent to 67 or more, or run more pods (4 of them).",
		},
		{
			name: "more than there are", faults: f, claims: []Claimed{ejected(4)}, objects: []string{outlier("maxEjectionPercent: 100")},
			want: "during[0]: DestinationRule shop/payments: asserts that 4 hosts are ejected, and payments has 3 hosts. Claim fewer, or run more pods.",
		},
		{name: "a subset that is smaller than the service", faults: f, claims: []Claimed{ejected(1)}, objects: []string{
			virtualServiceYAML("payments", "route: [{destination: {host: payments, subset: v2}}]"),
			ruleYAML("payments", "trafficPolicy: {outlierDetection: {maxEjectionPercent: 50}}\nsubsets: [{name: v2, labels: {version: v2}}]"),
		}, want: "during[0]: DestinationRule shop/payments: asserts that 1 host is ejected, and maxEjectionPercent is 50: " +
			"50% of the 1 host of subset v2 of payments is none. Set maxEjectionPercent to 100 or more, or run more pods (2 of them)."},
		{name: "34 % of 3 hosts", faults: f, claims: []Claimed{ejected(1), readmitted()}, objects: []string{outlier("maxEjectionPercent: 34")}},
		{name: "at most", faults: f, claims: []Claimed{during(claim.Claim{Kind: claim.Ejected, Service: "payments", Range: claim.AtMost(1)})}, objects: []string{outlier("")}},
		{name: "no outlierDetection at all is only a warning", faults: f, claims: []Claimed{ejected(1)}},
	})
}

func TestTooFewPodsToEject(t *testing.T) {
	test := ruleCase{
		faults: []injector.Fault{abort(injector.Upstream, 503, 100, 1)}, claims: []Claimed{ejected(2)},
		objects: []string{outlier("maxEjectionPercent: 100")},
		change:  func(q *Question) { q.Edits = []injector.Edit{{Pods: []string{"payments-0"}}} },
	}
	const want = "during[0]: asserts that 2 hosts are ejected, and the fault is made in 1 pod: the others answer well. Set faults[0].pods to 2."
	if got := text("ejection-impossible", test.question(), shopWorld(t, test.objects...)); got != want {
		t.Errorf("found %q", got)
	}
	test.change = func(q *Question) { q.Edits = []injector.Edit{{Pods: []string{"payments-0", "payments-1"}}} }
	if got := text("ejection-impossible", test.question(), shopWorld(t, test.objects...)); got != "" {
		t.Errorf("found %q", got)
	}
}

func TestEjectionMissing(t *testing.T) {
	f := []injector.Fault{abort(injector.Upstream, 503, 100, 1)}
	runRule(t, "ejection-missing", false, []ruleCase{
		{
			name: "no block", faults: f, claims: []Claimed{ejected(1)},
			want: "during[0]: asserts ejections of payments, and callers have no outlierDetection for it: none will be ejected. Set trafficPolicy.outlierDetection in a DestinationRule for payments.",
		},
		{name: "one", faults: f, claims: []Claimed{ejected(1)}, objects: []string{outlier("")}},
		{name: "no claim", faults: f},
	})
}

func TestEjectionStatus(t *testing.T) {
	of := func(status int) []injector.Fault { return []injector.Fault{abort(injector.Upstream, status, 100, 1)} }
	const gateway = "consecutive5xxErrors: 0, consecutiveGatewayErrors: 3, maxEjectionPercent: 100"
	limited := virtualServiceYAML("payments", "timeout: 1s")
	claims := []Claimed{ejected(1)}
	runRule(t, "ejection-status", true, []ruleCase{
		{
			name: "500 is no gateway error", faults: of(500), claims: claims, objects: []string{outlier(gateway)},
			want: "during[0]: DestinationRule shop/payments: asserts ejections of payments, and abort 500 on 100% does not count as an error there: " +
				"consecutive5xxErrors is 0, and consecutiveGatewayErrors counts 502, 503 and 504 only. Abort with 503, or set consecutive5xxErrors.",
		},
		{
			name: "429 is none", faults: of(429), claims: claims, objects: []string{outlier("maxEjectionPercent: 100")},
			want: "during[0]: DestinationRule shop/payments: asserts ejections of payments, and abort 429 on 100% does not count as an error there: only 5xx count. Abort with 503.",
		},
		{
			name: "a delay without a timeout", faults: []injector.Fault{delayed(injector.Upstream, time.Second)}, claims: claims, objects: []string{outlier("")},
			want: "during[0]: DestinationRule shop/payments: asserts ejections of payments, and delay 1s on 100% does not count as an error there: " +
				"the route has neither a timeout nor a perTryTimeout, so that slow answers are waited for and are good. Set a timeout below the delay, or abort with 503.",
		},
		{
			name: "a delay within the timeout", faults: []injector.Fault{delayed(injector.Upstream, time.Second)}, claims: claims, objects: []string{outlier(""), limited},
			want: "during[0]: DestinationRule shop/payments: asserts ejections of payments, and delay 1s on 100% does not count as an error there: " +
				"a caller waits 1s, which is longer than the delay. Delay for longer, or abort with 503.",
		},
		{name: "a delay beyond the timeout", faults: []injector.Fault{delayed(injector.Upstream, 2*time.Second)}, claims: claims, objects: []string{outlier(""), limited}},
		{name: "503 is a gateway error", faults: of(503), claims: claims, objects: []string{outlier(gateway)}},
		{name: "500 is a 5xx", faults: of(500), claims: claims, objects: []string{outlier("consecutiveGatewayErrors: 3")}},
	})
}

func TestFaultOnNobody(t *testing.T) {
	sidecar := func(spec string) string {
		return "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: narrow, namespace: shop}\nspec: " + spec
	}
	caller, upstream := abort(injector.Caller, 503, 100, 0), abort(injector.Upstream, 503, 100, 0)
	far := caller
	far.From.Namespace = "shop"
	edit := func(namespace string) func(*Question) {
		return func(q *Question) {
			q.Edits = []injector.Edit{{Ref: injector.Ref{Kind: "VirtualService", Namespace: namespace, Name: "payments"}, Before: &unstructured.Unstructured{}}}
		}
	}
	away := `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: payments, namespace: web}
spec: {hosts: [payments.shop.svc.cluster.local], http: [{route: [{destination: {host: payments.shop.svc.cluster.local}}]}]}`
	runRule(t, "fault-on-nobody", true, []ruleCase{
		{
			name: "a Sidecar hides the service", faults: []injector.Fault{far}, objects: []string{sidecar(`{egress: [{hosts: ["istio-system/*"]}]}`)},
			want: "faults[0].on: Service shop/payments: no caller in shop is told of it: Sidecar shop/narrow does not have it among its egress hosts. Their requests meet no policy of the mesh, and no fault.",
		},
		{
			name: "a Sidecar hides the routes", faults: []injector.Fault{caller}, objects: []string{away, sidecar(`{egress: [{hosts: ["shop/*"]}]}`)}, change: edit("web"),
			want: "faults[0].on: VirtualService web/payments: the fault would be put into its routes, and callers in shop do not have them: Sidecar shop/narrow does not have it among its egress hosts. " +
				"Let them see it (exportTo, egress hosts of the Sidecar), or say with from.namespace which callers are meant.",
		},
		{name: "both are seen", faults: []injector.Fault{caller}, objects: []string{away, sidecar(`{egress: [{hosts: ["shop/*", "web/*"]}]}`)}, change: edit("web")},
		{name: "without a Sidecar", faults: []injector.Fault{far, upstream}, objects: []string{away}, change: edit("web")},
	})
	runRule(t, "fault-on-nobody", false, []ruleCase{
		{
			name: "callers may be elsewhere", faults: []injector.Fault{upstream}, objects: []string{sidecar(`{egress: [{hosts: ["istio-system/*"]}]}`)},
			want: "faults[0].on: Service shop/payments: no caller in shop is told of it: Sidecar shop/narrow does not have it among its egress hosts. Their requests meet no policy of the mesh, and no fault. If others call it, say so with from.namespace.",
		},
	})
}

func TestTimeoutNotReached(t *testing.T) {
	claims := []Claimed{during(claim.Claim{Kind: claim.TimedOut, Within: 2 * time.Second})}
	limited := virtualServiceYAML("payments", "timeout: 2s")
	runRule(t, "timeout-not-reached", false, []ruleCase{
		{
			name: "a caller's delay", faults: []injector.Fault{delayed(injector.Caller, 5*time.Second)}, claims: claims, objects: []string{limited},
			want: "during[0]: VirtualService shop/payments: asserts timeouts, and faults[0] holds requests in the callers' proxies, before the timeout of the route to payments begins to count. " +
				"Unless a hop before it, or the application, has a timeout, nobody answers with 504. To try that timeout set faults[0].site: upstream.",
		},
		{
			name: "shorter than the timeout", faults: []injector.Fault{delayed(injector.Upstream, time.Second)}, claims: claims, objects: []string{limited},
			want: "during[0]: VirtualService shop/payments: asserts timeouts, and callers of payments wait 2s, which is longer than the delay of 1s. " +
				"Unless a hop before it, or the application, has a timeout, nobody answers with 504. Set faults[0].delay.fixed to more than 2s.",
		},
		{
			name: "no timeout", faults: []injector.Fault{delayed(injector.Upstream, time.Second)}, claims: claims,
			want: "during[0]: asserts timeouts, and callers of payments have none. Unless a hop before it, or the application, has a timeout, nobody answers with 504. Set timeout in the route to payments.",
		},
		{name: "longer", faults: []injector.Fault{delayed(injector.Upstream, 5*time.Second)}, claims: claims, objects: []string{limited}},
		{name: "no claim", faults: []injector.Fault{delayed(injector.Caller, 5*time.Second)}, objects: []string{limited}},
	})
}
