package injector

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestValidateFaults(t *testing.T) {
	ok := callerFault
	with := func(change func(*Fault)) Fault {
		f := ok
		change(&f)
		return f
	}
	tests := map[string]struct {
		faults []Fault
		limits BlastRadius
		want   []string
	}{
		"no faults":                  {},
		"a good one":                 {faults: []Fault{ok}},
		"good with all limits":       {faults: []Fault{ok}, limits: BlastRadius{Namespaces: []string{"shop"}, MaxPercent: 100, MaxPods: 1}},
		"a pointer is an effect too": {faults: []Fault{with(func(f *Fault) { f.Effect = &Abort{503, 1} })}},
		"the zero fault": {
			faults: []Fault{{}},
			want: []string{
				"faults[0].on.namespace: is missing",
				"faults[0].on.name: is missing",
				"faults[0].site: no site: say Caller or Upstream, it decides what the fault can test",
				"faults[0].effect: is missing",
			},
		},
		"everything of an effect at once": {
			faults: []Fault{ok, with(func(f *Fault) { f.On.Name, f.Effect = "x", Delay{} })},
			want: []string{
				"faults[1].fixed: 0s is not a positive duration",
				"faults[1].percent: 0 is not above 0 and up to 100",
			},
		},
		"names that are none": {
			faults: []Fault{with(func(f *Fault) { f.On = Service{"Shop", "*", 70000, "v_2"} })},
			want: []string{
				`faults[0].on.namespace: "Shop": a lowercase RFC 1123 label`,
				`faults[0].on.name: "*": a lowercase RFC 1123 label`,
				`faults[0].on.subset: "v_2": a lowercase RFC 1123 label`,
				"faults[0].on.port: 70000 is not a port",
			},
		},
		"a namespace outside": {
			faults: []Fault{ok}, limits: BlastRadius{Namespaces: []string{"web", "bank"}},
			want: []string{`faults[0].on.namespace: namespace "shop" is outside blastRadius.namespaces ["web" "bank"]`},
		},
		"the mesh's own namespace": {
			faults: []Fault{with(func(f *Fault) { f.On.Namespace = "istio-system" })},
			want:   []string{`faults[0].on.namespace: namespace "istio-system" is never faulted: the mesh itself depends on it`},
		},
		"the mesh's own namespace, allowed": {
			limits: BlastRadius{Namespaces: []string{"kube-system", "shop", "kube-public"}},
			want: []string{
				`blastRadius.namespaces[0]: namespace "kube-system" is never faulted: the mesh itself depends on it`,
				`blastRadius.namespaces[2]: namespace "kube-public" is never faulted: the mesh itself depends on it`,
			},
		},
		"limits that are none": {
			limits: BlastRadius{MaxPercent: 101, MaxPods: -1},
			want: []string{
				"blastRadius.maxPercent: 101 is not between 0 and 100",
				"blastRadius.maxPods: -1 is negative",
			},
		},
		"a limit that is not a number": {
			limits: BlastRadius{MaxPercent: math.NaN()},
			want:   []string{"blastRadius.maxPercent: NaN is not between 0 and 100"},
		},
		"above the percent allowed": {
			faults: []Fault{ok}, limits: BlastRadius{MaxPercent: 50},
			want: []string{"faults[0].percent: 100 is above blastRadius.maxPercent 50"},
		},
		"more pods than allowed": {
			faults: []Fault{with(func(f *Fault) { f.Site, f.Pods = Upstream, 3 })}, limits: BlastRadius{MaxPods: 2},
			want: []string{"faults[0].pods: 3 is above blastRadius.maxPods 2"},
		},
		"pods at the caller": {
			faults: []Fault{with(func(f *Fault) { f.Pods = 1 })},
			want:   []string{"faults[0].pods: only the Upstream site picks pods; a Caller fault is made in every caller's proxy"},
		},
		"less than no pods": {
			faults: []Fault{with(func(f *Fault) { f.Site, f.Pods = Upstream, -1 })},
			want:   []string{"faults[0].pods: -1 is negative"},
		},
		"all traffic, not allowed": {
			faults: []Fault{with(func(f *Fault) { f.AllTraffic = true })},
			want:   []string{"faults[0].allTraffic: needs blastRadius.allTraffic: requests that are not the run's own would meet the fault"},
		},
		"all traffic, allowed": {
			faults: []Fault{with(func(f *Fault) { f.AllTraffic = true })}, limits: BlastRadius{AllTraffic: true},
		},
		"one that hides another": {
			faults: []Fault{ok, with(func(f *Fault) { f.On.Port, f.Effect = 80, Delay{time.Second, 1} })},
			want:   []string{"faults[1].on: shop/payments:80 is what faults[0] is on too, at the same site: that one would hide this one"},
		},
		"different ports, subsets, sites or services": {
			faults: []Fault{
				with(func(f *Fault) { f.On.Port, f.On.Subset = 80, "v1" }),
				with(func(f *Fault) { f.On.Port, f.On.Subset = 81, "v1" }),
				with(func(f *Fault) { f.On.Port, f.On.Subset = 80, "v2" }),
				with(func(f *Fault) { f.Site = Upstream }),
				with(func(f *Fault) { f.Site = Upstream }),
				with(func(f *Fault) { f.On.Name = "orders" }),
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			expectReasons(t, ValidateFaults(test.faults, test.limits), test.want)
		})
	}
}

// expectReasons holds err to be a *RefusedError whose reasons begin like want.
func expectReasons(t *testing.T, err error, want []string) {
	t.Helper()
	var got []string
	if refusal, ok := errors.AsType[*RefusedError](err); ok {
		for _, r := range refusal.Reasons {
			got = append(got, r.String())
		}
	} else if err != nil {
		t.Fatalf("%v is no *RefusedError", err)
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("reasons\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

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
				"spec: {hosts: [payments], http: [{match: [{port: 81}], route: []}]}",
			fault: Fault{On: Service{Port: 80}},
			want:  []string{"faults[0].on: VirtualService shop/payments: none of its routes is for port 80"},
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
	for claim, g := range loadGolden(t) {
		objects := append(decode(t, payments), decode(t, g.file("before.yaml"))...)
		before := asYAML(t, objects)
		w := worldOf(objects...)
		_, err := makePlan(w, request{
			run: testRun, by: testBy, until: testUntil, now: testNow, faults: []Fault{callerFault, upstreamFault},
		})
		if after := asYAML(t, objects); after != before {
			t.Errorf("%s: planning (%v) changed\n%s\nto\n%s", claim, err, before, after)
		}
	}
}
