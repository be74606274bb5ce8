package injector

import (
	"slices"
	"strings"
	"testing"
)

func TestPlanRefuses(t *testing.T) {
	const spec = "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
	const routes = "http: [{route: [{destination: {host: payments}}]}]"
	tests := map[string]struct {
		objects string
		fault   Fault // laid over callerFault
		limits  BlastRadius
		want    []string
	}{
		"no such service": {
			objects: "", want: []string{"faults[0].on: there is no Service shop/payments"},
		},
		"a port that is not HTTP": {
			objects: strings.Replace(payments, "name: http", "name: tcp", 1),
			want:    []string{"faults[0].on.port: port 80 (tcp) is not declared HTTP"},
		},
		"the owner is outside the blast radius": {
			objects: payments + "---\n" + spec + "metadata: {name: a, namespace: infra}\n" +
				"spec: {hosts: [payments.shop.svc.cluster.local], " + routes + "}",
			want: []string{`faults[0].on: VirtualService infra/a has its routes, and namespace "infra" is outside blastRadius.namespaces ["shop"]`},
		},
		"the owner belongs to the mesh itself": {
			objects: payments + "---\n" + spec + "metadata: {name: a, namespace: istio-system}\n" +
				"spec: {hosts: [payments.shop.svc.cluster.local], " + routes + "}",
			want: []string{`faults[0].on: VirtualService istio-system/a has its routes, and namespace "istio-system" is never faulted`},
		},
		"the owner was created by another run": {
			objects: payments + "---\n" + spec + "metadata: {name: faultline-beef-payments, namespace: shop, labels: {faultline.dev/faulted: 'true'}}\n" +
				"spec: {hosts: [payments], " + routes + "}",
			want: []string{"faults[0].on: VirtualService shop/faultline-beef-payments was created by run beef and goes with it"},
		},
		"the run is there already": {
			objects: payments + "---\n" + spec + "metadata: {name: payments, namespace: shop}\n" +
				"spec: {hosts: [payments], http: [{name: faultline-7f3a-0}]}",
			want: []string{"faults[0].on: VirtualService shop/payments carries a mark of run 7f3a already"},
		},
		"a subset that no route is for": {
			objects: payments + "---\n" + spec + "metadata: {name: payments, namespace: shop}\nspec: {hosts: [payments], " + routes + "}",
			fault:   Fault{On: Service{Subset: "v2"}},
			want:    []string{"faults[0].on: VirtualService shop/payments: none of its routes sends requests to subset v2"},
		},
		"a subset, and no VirtualService": {
			objects: payments, fault: Fault{On: Service{Subset: "v2"}},
			want: []string{"faults[0].on: no VirtualService routes to subset v2, so callers do not choose it: use the upstream site"},
		},
		"a port that no route is for": {
			objects: payments + "---\n" + spec + "metadata: {name: payments, namespace: shop}\n" +
				"spec: {hosts: [payments], http: [{match: [{port: 81}], route: []}, {match: [{port: 80}], redirect: {uri: /}}]}",
			fault: Fault{On: Service{Port: 80}},
			want:  []string{"faults[0].on: VirtualService shop/payments: none of its routes forwards requests for port 80"},
		},
		"no route that forwards": {
			objects: payments + "---\n" + spec + "metadata: {name: payments, namespace: shop}\n" +
				"spec: {hosts: [payments], http: [{redirect: {uri: /}}]}",
			want: []string{"faults[0].on: VirtualService shop/payments: none of its routes forwards requests to a service"},
		},
		"a wildcard over namespaces": {
			objects: payments + "---\n" + spec + "metadata: {name: all, namespace: shop}\nspec: {hosts: ['*.svc.cluster.local'], " + routes + "}",
			want:    []string{"faults[0].on: VirtualService shop/all: it also routes services called payments in other namespaces"},
		},
		"authority by pattern, with other hosts": {
			objects: payments + "---\n" + spec + "metadata: {name: all, namespace: shop}\n" +
				"spec: {hosts: [payments, orders], http: [{match: [{authority: {prefix: pay}}]}]}",
			want: []string{"faults[0].on: VirtualService shop/all: spec.http[0] matches on authority by pattern"},
		},
		"routes and matches that are no objects": {
			objects: payments + "---\n" + spec + "metadata: {name: payments, namespace: shop}\n" +
				"spec: {hosts: [payments], http: [1, {match: [2]}, {match: [{headers: 3}]}, {headers: 4}]}",
			want: []string{
				"faults[0].on: VirtualService shop/payments: spec.http[0] is not an object",
				"faults[0].on: VirtualService shop/payments: spec.http[1] has a match that is not an object",
				"faults[0].on: VirtualService shop/payments: spec.http[2] ",
				"faults[0].on: VirtualService shop/payments: spec.http[3] ",
			},
		},
		"more pods together than allowed": {
			objects: payments, fault: Fault{Site: Upstream}, limits: BlastRadius{MaxPods: 2},
			want: []string{"faults[0].pods: 3 pods with a fault are above blastRadius.maxPods 2"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := callerFault
			f.On.Port, f.On.Subset = test.fault.On.Port, test.fault.On.Subset
			if test.fault.Site != NoSite {
				f.Site = test.fault.Site
			}
			plan, err := planOf(t, []Fault{f}, test.limits, test.objects)
			expectReasons(t, err, test.want)
			if len(plan.Edits) > 0 {
				t.Errorf("a refused plan has edits")
			}
		})
	}
}

// TestPlanRefusesForAllReasonsAtOnce mixes a bad run, a fault that is wrong by
// itself and one that is wrong in this cluster.
func TestPlanRefusesForAllReasonsAtOnce(t *testing.T) {
	bad, missing := callerFault, callerFault
	bad.Effect = nil
	missing.On.Name = "nope"
	_, err := makePlan(worldOf(decode(t, payments)...), request{
		run: "No!", by: testBy, until: testNow, now: testNow, faults: []Fault{bad, missing}, limits: BlastRadius{MaxPods: -1},
	})
	expectReasons(t, err, []string{
		`run: "No!" is not 4 to 32 lower-case hex digits`,
		"until: 2026-01-02 15:00:00 +0000 UTC has passed: the faults would be stale at once",
		"blastRadius.maxPods: -1 is negative",
		"faults[0].effect: is missing",
		"faults[1].on: there is no Service shop/nope",
	})
	want := "refused for 5 reasons:\n  run: "
	if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Count(err.Error(), "\n") != 5 {
		t.Errorf("%v, want %q and four lines more", err, want)
	}
}

func TestPlanOfNoFaults(t *testing.T) {
	plan, err := planOf(t, nil, BlastRadius{}, payments)
	if err != nil || len(plan.Edits) != 0 || plan.Run != testRun || !plan.Until.Equal(testUntil) {
		t.Errorf("%+v, %v", plan, err)
	}
}

// TestPlanNumbersRoutesOverTheRun lets no two routes of a run share a name, so
// that a proxy that shows one shows which.
func TestPlanNumbersRoutesOverTheRun(t *testing.T) {
	orders := strings.ReplaceAll(payments, "payments", "orders")
	second := callerFault
	second.On.Name = "orders"
	plan, err := planOf(t, []Fault{callerFault, second}, BlastRadius{}, payments, paymentsRoutes, orders)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, edit := range plan.Edits {
		if edit.Fault != i || edit.Marker != "faultline-7f3a-" {
			t.Errorf("edit %d: fault %d, marker %q", i, edit.Fault, edit.Marker)
		}
		names = append(names, edit.Routes...)
	}
	if want := []string{"faultline-7f3a-0", "faultline-7f3a-1", "faultline-7f3a-2"}; !slices.Equal(names, want) {
		t.Errorf("routes %q, want %q", names, want)
	}
}

// TestPlanCountsEachPodOnce makes two faults on the same pods.
func TestPlanCountsEachPodOnce(t *testing.T) {
	plan, err := planOf(t, []Fault{upstreamFault, upstreamFault}, BlastRadius{MaxPods: 1}, payments)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := plan.Edits[0].Marker, plan.Edits[1].Marker; a != "faultline.7f3a" || b != "faultline.7f3a-2" {
		t.Errorf("markers %q, %q", a, b)
	}
}

// TestPlanLeavesItsWorldAlone plans on objects that somebody else holds too.
func TestPlanLeavesItsWorldAlone(t *testing.T) {
	content := func(w world) string {
		text := asJSON(t, w.virtualServices)
		for on, service := range w.services {
			text += asJSON(t, service) + asJSON(t, w.pods[on]) + asJSON(t, w.destinationRules[on.Namespace])
		}
		return text
	}
	for claim, g := range loadGolden(t) {
		w, r := g.ask(t)
		if len(w.services) > 1 {
			continue // in no order
		}
		before := content(w)
		_, err := makePlan(w, r)
		if after := content(w); after != before {
			t.Errorf("%s: planning (%v) changed\n%s\nto\n%s", claim, err, before, after)
		}
	}
}

func TestSendsThere(t *testing.T) {
	const v1, v2 = "{destination: {host: payments, subset: v1}", "{destination: {host: payments, subset: v2}"
	tests := map[string]struct {
		route string
		meant bool
		wrong bool
	}{
		"there":                          {v2 + "}", true, false},
		"there, with a weight of 0":      {v2 + ", weight: 0}", true, false}, // alone it gets everything
		"elsewhere":                      {v1 + "}", false, false},
		"another service's subset":       {"{destination: {host: orders, subset: v2}}", false, false},
		"no subset":                      {"{destination: {host: payments}}", false, false},
		"a part of them":                 {v1 + ", weight: 1}, " + v2 + ", weight: 99}", false, true},
		"none of them":                   {v1 + ", weight: 100}, " + v2 + "}", false, false},
		"all of them, by weight":         {v1 + "}, " + v2 + ", weight: 100}", true, false},
		"twice":                          {v2 + ", weight: 1}, " + v2 + ", weight: 1}", true, false},
		"no destination, as in nonsense": {"", false, false},
	}
	s := splice{on: Service{Namespace: "shop", Name: "payments", Subset: "v2"}, domain: DefaultClusterDomain}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			route := decodeOne(t, "{apiVersion: v1, kind: Route, route: ["+test.route+"]}")
			meant, err := s.sendsThere(route.Object, "shop")
			if meant != test.meant || (err != nil) != test.wrong {
				t.Errorf("%v, %v; want %v, %v", meant, err, test.meant, test.wrong)
			}
		})
	}
}
