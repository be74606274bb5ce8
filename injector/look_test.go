package injector

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"
)

const shadow = `
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: payments, namespace: shop}
spec: {parentRefs: [{kind: Service, group: "", name: payments, port: 80}]}
`

// TestPlanWithoutRoutesOfTheGatewayAPI lets the API not serve them, or not to us.
func TestPlanWithoutRoutesOfTheGatewayAPI(t *testing.T) {
	for name, test := range map[string]struct {
		answer error
		refuse string
		notes  []string
	}{
		"they are read": {nil, "GRPCRoute shop/payments has it as a parent", nil},
		"not served":    {apierrors.NewNotFound(httpRoutes.GroupResource(), ""), "", nil},
		"forbidden": {
			apierrors.NewForbidden(httpRoutes.GroupResource(), "", errors.New("no right")), "",
			[]string{"HTTPRoutes and GRPCRoutes could not be read: one may rule the same service, and the fault would then not be met"},
		},
		"in trouble": {errLost, "list httproutes: connection reset by peer", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, payments, paymentsRoutes, shadow)
			c.PrependReactor("list", "*", func(action k8stesting.Action) (bool, runtime.Object, error) {
				return action.GetResource().Group == gatewayGroup && test.answer != nil, nil, test.answer
			})
			in := c.injector()
			plan, err := in.Plan(t.Context(), testRun, []Fault{callerFault}, BlastRadius{}, in.Now().Add(time.Hour))
			if (err != nil) != (test.refuse != "") || err != nil && !strings.Contains(err.Error(), test.refuse) {
				t.Errorf("%v, want %q", err, test.refuse)
			}
			if !slices.Equal(plan.Notes, test.notes) {
				t.Errorf("notes %q, want %q", plan.Notes, test.notes)
			}
		})
	}
}

// TestPlanReadsWhatScopesNeed finds the ServiceEntry of a host, the Gateway that
// calls and the namespace that opted in; and says what is not there.
func TestPlanReadsWhatScopesNeed(t *testing.T) {
	const objects = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: bank, namespace: shop}
spec: {hosts: [Api.Bank.example], ports: [{number: 80, name: http, protocol: HTTP}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: edge}
spec: {selector: {istio: ingress}, servers: [{hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: public, namespace: shop}
spec: {hosts: [shop.example], gateways: [edge/public], http: [{route: [{destination: {host: payments}}]}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {a: b}}
`
	onHost, fromGateway := callerFault, callerFault
	onHost.On = Service{Namespace: "shop", Host: "api.bank.EXAMPLE"}
	fromGateway.From.Gateway = "edge/public"
	nowhere, noGateway := onHost, fromGateway
	nowhere.On.Host, noGateway.From.Gateway = "other.example.com", "edge/private"

	c := newCluster(t, payments, objects)
	in := c.injector()
	plan, err := in.Plan(t.Context(), testRun, []Fault{onHost, fromGateway}, BlastRadius{NamespaceLabel: "a=b"}, in.Now().Add(time.Hour))
	if err != nil || len(plan.Edits) != 2 || plan.Edits[0].Ref.Name != "faultline-7f3a-api.bank.example" || plan.Edits[1].Ref.Name != "public" {
		t.Errorf("%v, edits %v", err, plan.Edits)
	}
	if !plan.Edits[1].MadeIn("istio-system", "x", map[string]string{"istio": "ingress"}, true) {
		t.Error("the fault is not made in the gateway's proxy")
	}
	_, err = in.Plan(t.Context(), testRun, []Fault{nowhere, noGateway}, BlastRadius{NamespaceLabel: "a=c"}, in.Now().Add(time.Hour))
	expectReasons(t, err, []string{
		"faults[0].on: there is no ServiceEntry for host shop/other.example.com",
		"faults[1].from.gateway: there is no Gateway edge/private",
	})
	_, err = in.Plan(t.Context(), testRun, []Fault{onHost}, BlastRadius{NamespaceLabel: "a=c"}, in.Now().Add(time.Hour))
	expectReasons(t, err, []string{`faults[0].on: namespace "shop" lacks the label a=c`})
}

func TestShareOf(t *testing.T) {
	for _, test := range []struct {
		n       int
		percent float64
		want    int
	}{
		{3, 1, 1}, {3, 33.3, 1}, {3, 34, 2}, {3, 50, 2}, {3, 100, 3}, {10, 30, 3}, {10, 70, 7}, {1000, 0.1, 1}, {1, 0.0001, 1}, {7, 100, 7}, {29, 100.0 / 29, 1},
	} {
		if got := shareOf(test.n, test.percent); got != test.want {
			t.Errorf("%v%% of %d pods are %d, want %d", test.percent, test.n, got, test.want)
		}
	}
}
