package injector

import (
	"strings"
	"testing"
	"time"
)

// TestLimitsCountWhatWasWritten makes the second of two faults too much.
func TestLimitsCountWhatWasWritten(t *testing.T) {
	c := newCluster(t, payments)
	in := c.injector()
	other := upstreamFault
	other.Pods, other.PodNames = 0, []string{"payments-b", "payments-c"}
	plan := c.plan(in, testRun, upstreamFault, other)
	plan.Limits.MaxPods = 2
	injection, err := in.Inject(t.Context(), plan)
	if err == nil || !strings.Contains(err.Error(), "3 pods with a fault are above blastRadius.maxPods 2") || len(injection.Edits()) != 1 {
		t.Errorf("%v, %d edits written", err, len(injection.Edits()))
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestScopesOfOneObjectDiffer puts two faults with scopes of their own into one
// VirtualService.
func TestScopesOfOneObjectDiffer(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	in := c.injector()
	ada, bob := callerFault, callerFault
	ada.Headers, bob.Headers = map[string]string{"x-tester": "ada"}, map[string]string{"x-tester": "bob"}
	injection, err := in.Inject(t.Context(), c.plan(in, testRun, ada, bob))
	if err != nil || len(injection.Edits()) != 2 {
		t.Fatalf("%v, edits %v", err, injection.Edits())
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTheSecondLookCostsOneCallAtMost counts the calls of a write.
func TestTheSecondLookCostsOneCallAtMost(t *testing.T) {
	const namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {a: b}}\n"
	for label, want := range map[string][]string{
		"":    {"update shop/payments"},
		"a=b": {"get /shop", "update shop/payments"},
	} {
		c := newCluster(t, payments, paymentsRoutes, namespace)
		in := c.injector()
		plan, err := in.Plan(t.Context(), testRun, []Fault{callerFault}, BlastRadius{NamespaceLabel: label}, in.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		var calls []string
		c.before = func(verb, namespace, name string) error {
			calls = append(calls, verb+" "+namespace+"/"+name)
			return nil
		}
		if _, err := in.Inject(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		if strings.Join(calls, ", ") != strings.Join(want, ", ") {
			t.Errorf("label %q: calls %q, want %q", label, calls, want)
		}
	}
}

func TestWithRootNamespace(t *testing.T) {
	in, err := NewForClient(newCluster(t), WithRootNamespace("mesh-root"))
	if err != nil {
		t.Fatal(err)
	}
	f := callerFault
	f.On.Namespace = "mesh-root"
	_, err = in.Plan(t.Context(), testRun, []Fault{f}, BlastRadius{}, in.Now().Add(time.Hour))
	expectReasons(t, err, []string{`faults[0].on.namespace: namespace "mesh-root" is never faulted`})
	if _, err := NewForClient(newCluster(t), WithRootNamespace("No!")); err == nil {
		t.Error("a root namespace that is no name was taken")
	}
}
