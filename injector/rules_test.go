package injector

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/internal/rights"
)

const paymentsRoute = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: payments, namespace: routes}
spec:
  hosts: [payments.shop.svc.cluster.local]
  http: [{route: [{destination: {host: payments.shop.svc.cluster.local}}]}]
`

func TestRules(t *testing.T) {
	const marks = "list virtualservices; list envoyfilters; list serviceentries; list leases"
	const owners = "list httproutes; list grpcroutes"
	const lease = "create leases; get leases; update leases; delete leases"
	abort := Abort{HTTPStatus: 503, Percent: 100}
	for name, c := range map[string]struct {
		faults  []Fault
		limits  BlastRadius
		objects []string
		want    map[string]string // by namespace
	}{
		"an edit of a VirtualService elsewhere": {
			faults:  []Fault{{On: onPayments, Site: Caller, Effect: abort}},
			limits:  BlastRadius{Namespaces: []string{"routes", "shop"}},
			objects: []string{payments, paymentsRoute},
			want: map[string]string{
				"shop":   "get services payments; " + owners + "; " + marks,
				"routes": owners + "; " + marks + "; " + lease + "; get virtualservices payments; watch virtualservices payments; update virtualservices payments",
			},
		},
		"a VirtualService of our own": {
			faults:  []Fault{{On: onPayments, Site: Caller, Effect: abort}},
			objects: []string{payments},
			want: map[string]string{
				"shop": "get services payments; " + owners + "; " + marks + "; " + lease +
					"; create virtualservices; get virtualservices; watch virtualservices; delete virtualservices",
			},
		},
		"a filter, on a subset, in a namespace that must have a label": {
			faults: []Fault{{On: Service{Namespace: "shop", Name: "payments", Subset: "v1"}, Site: Upstream, Effect: abort}},
			limits: BlastRadius{NamespaceLabel: "faultline.dev/allowed=true"},
			objects: []string{payments, `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: payments, namespace: shop}
spec: {host: payments, subsets: [{name: v1, labels: {version: v1}}]}
`, `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {faultline.dev/allowed: "true"}}
`},
			want: map[string]string{
				"shop": "get services payments; list pods; list destinationrules; get namespaces shop; " + marks + "; " + lease +
					"; create envoyfilters; get envoyfilters; watch envoyfilters; delete envoyfilters",
			},
		},
		"a blackhole that rises, beside a filter that does": {
			faults: []Fault{
				{On: onPayments, Site: Caller, Effect: Blackhole{Percent: 100}, Ramp: []float64{5}},
				{On: onPayments, Site: Upstream, Effect: abort, Ramp: []float64{5}},
			},
			objects: []string{payments},
			want: map[string]string{
				"shop": "get services payments; list pods; " + owners + "; " + marks + "; " + lease +
					"; create serviceentries; get serviceentries; watch serviceentries; delete serviceentries" +
					"; create virtualservices; get virtualservices; watch virtualservices; delete virtualservices; update virtualservices" +
					"; create envoyfilters; get envoyfilters; watch envoyfilters; delete envoyfilters; update envoyfilters",
			},
		},
		"nothing": {want: map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			in := newCluster(t, c.objects...).injector()
			plan, err := in.Plan(t.Context(), testRun, c.faults, c.limits, in.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			rules := Rules(c.faults, c.limits, plan)
			if len(rules) != len(c.want) {
				t.Errorf("rights in %d namespaces, want %d: %v", len(rules), len(c.want), rules)
			}
			for namespace, want := range c.want {
				var got []string
				for _, right := range rights.Of(rules[namespace]) {
					got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", right.Verb, right.Resource, right.Name)))
				}
				wanted := strings.Split(want, "; ")
				slices.Sort(got)
				slices.Sort(wanted)
				if !slices.Equal(got, wanted) {
					t.Errorf("in %s got  %q\nwant %q", namespace, got, wanted)
				}
			}
		})
	}
}

// A host is looked up among ServiceEntries, and a Gateway by its name.
func TestRulesOfHostsAndGateways(t *testing.T) {
	rules := Rules([]Fault{{
		On: Service{Namespace: "shop", Host: "pay.example"}, From: Callers{Gateway: "front/public"}, Site: Caller,
	}}, BlastRadius{}, Plan{})
	if got := fmt.Sprint(rights.Of(rules["front"])); got != "[{networking.istio.io gateways get public}]" {
		t.Errorf("in front: %s", got)
	}
	all := rights.Of(rules["shop"])
	if !slices.Contains(all, rights.Right{Group: istioGroup, Resource: "serviceentries", Verb: "list"}) {
		t.Errorf("in shop: %v", all)
	}
	if slices.ContainsFunc(all, func(r rights.Right) bool { return r.Resource == "services" || r.Verb == "*" || r.Resource == "*" }) {
		t.Errorf("in shop: %v", all)
	}
}

// Each step of a ramp writes the filter anew.
func TestRulesOfARamp(t *testing.T) {
	faults := []Fault{{On: onPayments, Site: Upstream, Ramp: []float64{10}, Effect: Abort{HTTPStatus: 503, Percent: 100}}}
	plan, err := planOf(t, faults, BlastRadius{}, payments)
	if err != nil {
		t.Fatal(err)
	}
	update := rights.Right{Group: istioGroup, Resource: "envoyfilters", Verb: "update"}
	if all := rights.Of(Rules(faults, BlastRadius{}, plan)["shop"]); !slices.Contains(all, update) {
		t.Errorf("got %v", all)
	}
}

// Of two edits of an object that the run itself creates, the second writes it.
func TestRulesOfASecondEdit(t *testing.T) {
	const twoPorts = `
apiVersion: v1
kind: Service
metadata: {name: payments, namespace: shop}
spec:
  selector: {app: payments}
  ports: [{name: http, port: 80}, {name: http-b, port: 81}]
`
	first, second := onPayments, onPayments
	first.Port, second.Port = 80, 81
	faults := []Fault{
		{On: first, Site: Caller, Effect: Abort{HTTPStatus: 503, Percent: 100}},
		{On: second, Site: Caller, Effect: Abort{HTTPStatus: 500, Percent: 100}},
	}
	plan, err := planOf(t, faults, BlastRadius{}, twoPorts)
	if err != nil {
		t.Fatal(err)
	}
	update := rights.Right{Group: istioGroup, Resource: "virtualservices", Verb: "update"}
	if all := rights.Of(Rules(faults, BlastRadius{}, plan)["shop"]); len(plan.Edits) != 2 || !slices.Contains(all, update) {
		t.Errorf("%d edits need %v", len(plan.Edits), all)
	}
}

func TestDisowned(t *testing.T) {
	const managed = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: payments
  namespace: shop
  managedFields: [{manager: kubectl, operation: Apply}, {manager: faultline, operation: Update}]
`
	after := disowned(decodeOne(t, managed))
	if after == nil || len(after.GetManagedFields()) != 1 || after.GetManagedFields()[0].Manager != "kubectl" {
		t.Errorf("got %v", after)
	}
	for name, text := range map[string]string{
		"nothing of ours":       strings.Replace(managed, ", {manager: faultline, operation: Update}", "", 1),
		"nothing but ours":      strings.Replace(managed, "{manager: kubectl, operation: Apply}, ", "", 1),
		"a mark of another run": strings.Replace(managed, "name: payments", `name: payments, annotations: {faultline.dev/run.7f3a: "{}"}`, 1),
		"the label":             strings.Replace(managed, "namespace: shop", "namespace: shop\n  labels: {faultline.dev/faulted: \"true\"}", 1),
		"no fields at all":      strings.Replace(managed, "  managedFields: [", "  other: [", 1),
	} {
		t.Run(name, func(t *testing.T) {
			text = strings.Replace(text, "name: payments, annotations", "name: payments\n  annotations", 1)
			if after := disowned(decodeOne(t, text)); after != nil {
				t.Errorf("got %v", after.Object)
			}
		})
	}
}
