package injector

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestGeneratedObjectsComeBack puts faults into generated VirtualServices and
// takes them out: byte for byte what was there, users' routes untouched between.
func TestGeneratedObjectsComeBack(t *testing.T) {
	injected := 0
	for seed := range uint64(2_000) {
		g := generator{rand.New(rand.NewPCG(seed, 2))}
		start := g.virtualService()
		before := asJSON(t, start.Object)
		f := g.fault()
		plan, err := g.planFor(t, start, f)
		if got := asJSON(t, start.Object); got != before {
			t.Fatalf("seed %d: planning changed\n%s\nto\n%s", seed, before, got)
		}
		if err != nil {
			continue
		}
		for _, edit := range plan.Edits {
			if edit.Before == nil {
				continue
			}
			injected++
			users := slices.DeleteFunc(slices.Clone(routesOf(edit.After)), func(r any) bool { return belongs(r, testRun) })
			if got, want := asJSON(t, users), asJSON(t, routesOf(start)); got != want {
				t.Fatalf("seed %d: user routes are\n%s\nwant\n%s", seed, got, want)
			}
			if got := asJSON(t, mustWithout(t, edit.After, testRun).Object); got != before {
				t.Fatalf("seed %d: reverted to\n%s\nwant\n%s", seed, got, before)
			}
			if err := (bounds{BlastRadius: plan.Limits}).permit(nil, edit); err != nil {
				t.Fatalf("seed %d: the plan is not permitted: %v", seed, err)
			}
		}
	}
	if injected < 500 {
		t.Errorf("only %d objects had a fault: the generator makes too much that is refused", injected)
	}
	t.Logf("%d faults put in and taken out", injected)
}

// TestGeneratedObjectsSurviveForeignEdits does to generated objects what
// TestForeignEditsSurvive does to the golden ones.
func TestGeneratedObjectsSurviveForeignEdits(t *testing.T) {
	names := foreignEditNames()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 3))
		foreignEditsSurvive(t, generator{random}.virtualService(), names, random)
	}
}

// TestNothingOfTheUsersIsHidden sends requests through generated routes with and
// without a fault: one that is not meant takes the very route that it took, one
// that is meant takes the clone of it, or it itself where it has none.
func TestNothingOfTheUsersIsHidden(t *testing.T) {
	met, spared := 0, 0
	for seed := range uint64(1_500) {
		g := generator{rand.New(rand.NewPCG(seed, 4))}
		start, f := g.virtualService(), g.fault()
		plan, err := g.planFor(t, start, f)
		if err != nil || plan.Edits[0].Before == nil {
			continue
		}
		routes := routesOf(plan.Edits[0].After)
		originals := originalsOf(routes)
		for range 50 {
			r := g.request()
			bound := gatewaysOf(start.Object, "shop", "spec", "gateways")
			if !slices.Contains(bound, r.gateway) && (len(bound) > 0 || r.gateway != "mesh") {
				continue // its proxy has none of the routes
			}
			was, is := routed(routesOf(start), r), routed(routes, r)
			original, faulted := originals[is]
			sure := r.gateway == "mesh" || f.From.Gateway != "" // at a gateway, others may meet it or not
			both := f.AllTraffic || len(f.Headers) > 0 || len(r.headers[HeaderRun]) > 0 && len(r.headers[HeaderBaggage]) > 0
			switch {
			case !faulted && r.meant(f) && sure && both && r.authority == "payments" && slices.Contains(slices.Collect(maps.Values(originals)), was):
				t.Fatalf("seed %d: %+v is meant by %+v, and does not meet it in\n%s",
					seed, r, f, asYAML(t, []*unstructured.Unstructured{plan.Edits[0].After}))
			case !faulted:
				spared++
			case !r.meant(f):
				t.Fatalf("seed %d: %+v is not meant by %+v, and meets it in\n%s", seed, r, f, asYAML(t, []*unstructured.Unstructured{plan.Edits[0].After}))
			default:
				met++
				is = original
			}
			if is != was {
				t.Fatalf("seed %d: %+v went to %q, and now goes to %q, with %+v in\n%s",
					seed, r, was, is, f, asYAML(t, []*unstructured.Unstructured{plan.Edits[0].After}))
			}
		}
	}
	if met < 1_000 || spared < 1_000 {
		t.Errorf("%d requests met a fault, %d did not: too few to tell", met, spared)
	}
	t.Logf("%d requests met a fault, %d did not", met, spared)
}

// originalsOf returns the user's route of which each clone is.
func originalsOf(routes []any) map[string]string {
	originals := map[string]string{}
	for n, route := range routes {
		if belongs(route, testRun) {
			originals[at[string](route.(object), "name")] = at[string](routes[n+1].(object), "name")
		}
	}
	return originals
}

// TestHidingIsNoticed lets a clone ask for less than its original, in one place.
func TestHidingIsNoticed(t *testing.T) {
	start := vs(t, "shop/payments", 1, `hosts: [payments], http: [
		{name: user-0, match: [{uri: {prefix: /a}}], route: [{destination: {host: payments}}]},
		{name: user-1, route: [{destination: {host: payments}}]}]`)
	plan, err := generator{}.planFor(t, start, callerFault)
	if err != nil {
		t.Fatal(err)
	}
	routes := routesOf(plan.Edits[0].After)
	r := asking{path: "/c", method: "GET", authority: "payments", port: 80, gateway: "mesh", headers: Headers(testRun)}
	if got := originalsOf(routes)[routed(routes, r)]; got != "user-1" {
		t.Errorf("the request meets the fault on the way to %q, want user-1", got)
	}
	delete(routes[0].(object)["match"].([]any)[0].(object), "uri")
	if got := originalsOf(routes)[routed(routes, r)]; got != "user-0" {
		t.Errorf("a clone that asks for less takes the request to %q, want user-0", got)
	}
}
