package injector

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// rising returns the two faults of a run with a ramp of three steps each.
func rising() []Fault {
	caller, upstream := callerFault, upstreamFault
	caller.Ramp, upstream.Ramp = []float64{1, 10}, []float64{5, 50}
	return []Fault{caller, upstream}
}

func TestFaultStep(t *testing.T) {
	f := rising()[0]
	for n, want := range map[int]float64{-1: 100, 0: 1, 1: 10, 2: 100, 9: 100} {
		if got := f.Step(n); got.Percent() != want || got.Ramp != nil || got.On != f.On {
			t.Errorf("step %d: %v", n, got)
		}
	}
	if f.Percent() != 100 || len(f.Ramp) != 2 {
		t.Errorf("the fault itself changed: %v", f)
	}
	plain := Fault{Effect: Without{Policy: Retries}}
	if got := plain.Step(0); got.Effect != plain.Effect {
		t.Errorf("without a ramp: %v", got)
	}
}

func TestRampsOfOneRunHaveAsManySteps(t *testing.T) {
	faults := append(rising(), callerFault)
	faults[2].On.Name = "orders"
	if err := ValidateFaults(faults, BlastRadius{}); err != nil {
		t.Errorf("with a fault that has none: %v", err)
	}
	faults[2].Ramp = []float64{2}
	err := ValidateFaults(faults, BlastRadius{})
	want := "refused: faults[2].ramp: has the length 1, and that of faults[0] the length 2: ramps of one run go up together, so give them as many percentages"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// shares returns the percentages of the faults as they are in the cluster.
func shares(c *cluster) string {
	var all []string
	for _, route := range objectsAt(c.get(paymentsVS).Object, "spec", "http") {
		if routeRun(route) != "" {
			all = append(all, fmt.Sprint(route["fault"].(object)["abort"].(object)["percentage"].(object)["value"]))
		}
	}
	for _, patch := range objectsAt(c.get(ourFilter).Object, "spec", "configPatches") {
		all = append(all, fmt.Sprint(at[int64](patch, "patch", "value", "typed_config", "abort", "percentage", "numerator")))
	}
	return strings.Join(all, " ")
}

func TestStep(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	before := c.content(paymentsVS)
	in := c.injector()
	injection, err := in.Inject(t.Context(), c.plan(in, testRun, rising()...))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for n, want := range []string{"1 1 50000 50000", "10 10 500000 500000", "100 100 1000000 1000000"} {
		if n > 0 {
			if err := injection.Step(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		if got := shares(c); got != want {
			t.Errorf("step %d: %s, want %s", n, got, want)
		}
		found, err := in.Leftovers(t.Context())
		if err != nil || len(found) != 2 || found[0].Note != "" || found[1].Note != "" || found[1].Run != testRun {
			t.Errorf("step %d: leftovers %v, %v; want two that are as they were put in", n, found, err)
		}
		edits := injection.Edits()
		if len(edits) != 2 {
			t.Fatalf("step %d: %d edits, want one for each object", n, len(edits))
		}
		for _, edit := range edits {
			for _, name := range edit.shownAs() {
				if seen[name] {
					t.Errorf("step %d is shown as %s, which an earlier one was", n, name)
				}
				seen[name] = true
			}
			if edit.missing(c.get(edit.Ref), testRun) != "" {
				t.Errorf("step %d: %s is not as the edit says", n, edit.Ref)
			}
			if percent := edit.Signs[0].Percent; percent != rising()[edit.Fault].Step(n).Percent() {
				t.Errorf("step %d: the sign of %s says %v%%", n, edit.Ref, percent)
			}
		}
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.content(paymentsVS); got != before {
		t.Errorf("reverted to\n%s\nwant\n%s", got, before)
	}
	if got := c.content(ourFilter); got != "gone" {
		t.Errorf("the filter is left: %s", got)
	}
	if err := injection.Step(t.Context(), 1); err == nil || !strings.HasSuffix(err.Error(), "it was reverted") {
		t.Errorf("after the revert: %v", err)
	}
	if got := c.content(paymentsVS); got != before {
		t.Errorf("a step after the revert wrote\n%s", got)
	}
}

// What a proxy shows tells a step from the one before, and a revert is seen only
// when neither is there.
func TestStepsAreToldApart(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	in := c.injector()
	injection, err := in.Inject(t.Context(), c.plan(in, testRun, rising()...))
	if err != nil {
		t.Fatal(err)
	}
	first := injection.Edits()
	if err := injection.Step(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for n, edit := range injection.Edits() {
		now, then := []byte(asJSON(t, edit.After.Object["spec"])), []byte(asJSON(t, first[n].After.Object["spec"]))
		if !edit.ShownIn(now) || edit.ShownIn(then) || first[n].ShownIn(now) {
			t.Errorf("%s: its steps look alike", edit.Ref)
		}
		if !edit.LeftIn(now) || !edit.LeftIn(then) || edit.LeftIn([]byte("{}")) {
			t.Errorf("%s: what is left of it is not told", edit.Ref)
		}
	}
}

// A step leaves alone what others did since, and what other faults of the run
// have on the same object.
func TestStepKeepsForeignEdits(t *testing.T) {
	service := strings.ReplaceAll(payments, "ports: [{name: http, port: 80, targetPort: 8080}]",
		"ports: [{name: http, port: 80}, {name: grpc, port: 90}]")
	c := newCluster(t, service, paymentsRoutes)
	in := c.injector()
	first, second := rising()[0], callerFault
	first.On.Port, second.On.Port = 80, 90
	injection, err := in.Inject(t.Context(), c.plan(in, testRun, first, second))
	if err != nil {
		t.Fatal(err)
	}
	c.change(paymentsVS, func(vs *unstructured.Unstructured) { foreignEdits["add a route at the front"](vs, 1) })
	others := injection.Edits()[1].Routes
	if err := injection.Step(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	routes := routesOf(c.get(paymentsVS))
	names := runRoutes(routes, testRun)
	for _, name := range others {
		if !slices.Contains(names, name) {
			t.Errorf("route %s of the other fault is gone: %q", name, names)
		}
	}
	if len(names) != 4 || at[string](routes[0].(object), "name") != "front-1" {
		t.Errorf("routes %s", asJSON(t, routes))
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := routesOf(c.get(paymentsVS)); len(got) != 3 {
		t.Errorf("reverted to %s", asJSON(t, got))
	}
}
