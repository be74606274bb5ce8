package preflight

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/claim"
)

// Whatever objects a mesh has, looking at them does not panic, and each finding
// says where it is from and what it is.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		serviceYAML("payments") + "\n---\n" + podYAML("payments-0", "payments", "v1") + "\n---\n" +
			virtualServiceYAML("payments", "timeout: 30s\nretries: {attempts: 3, perTryTimeout: 10s}\nfault: {abort: {httpStatus: 503}, delay: {fixedDelay: 1s}}"),
		serviceYAML("payments") + "\n---\n" + ruleYAML("payments", "trafficPolicy: {outlierDetection: {consecutiveErrors: 3, consecutiveGatewayErrors: 9}}\n"+
			"subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 1}}}]}}]"),
		serviceYAML("payments") + "\n---\n" + virtualServiceYAML("payments", "route: [{destination: {host: payments, subset: v9}, weight: 0}, {destination: {host: payments.shop}}]\ngateways: [a/b/c, mesh]"),
		serviceYAML("payments") + ingress + "\n---\n" + virtualServiceYAML("payments", "delegate: {name: payments}"),
		"kind: VirtualService\nspec: {http: [null, {match: [null]}, {route: [null]}]}\n---\nkind: DestinationRule\nspec: {subsets: [null]}\n---\nkind: Service\nspec: {ports: [null]}",
		"kind: Sidecar\nspec: {egress: [{hosts: [\"/\", \"~/\"]}]}\n---\nkind: ServiceEntry\nspec: {hosts: [\"*\"]}\n---\nkind: Gateway\nspec: {servers: [null]}\n---\nkind: Pod",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var w World
		for document := range strings.SplitSeq(text, "\n---\n") {
			obj := &unstructured.Unstructured{}
			if yaml.Unmarshal([]byte(document), &obj.Object) == nil {
				_ = w.Add(obj) // what a kind's type does not fit is not taken
			}
		}
		q := Question{
			Faults: []injector.Fault{abort(injector.Upstream, 503, 100, 1), abort(injector.Caller, 503, 10, 0)},
			Claims: []Claimed{ejected(1), tried(2), during(claim.Claim{Kind: claim.Split, Service: "payments", Subset: "v1"})},
			Settle: time.Second, Duration: time.Second, Recovery: time.Second,
		}
		entering(&q)
		for _, found := range Check(q, w).Findings {
			if found.Rule == "" || found.Text == "" || strings.Contains(found.Text, "%!") {
				t.Errorf("%+v", found)
			}
		}
	})
}
