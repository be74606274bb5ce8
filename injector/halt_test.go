package injector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

var haltInShop = Ref{kindLease, "shop", haltName}

const twoNamespaces = `
{apiVersion: v1, kind: Namespace, metadata: {name: bank}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: istio-system}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: kube-system}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: kube-public}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: kube-node-lease}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: leaving, deletionTimestamp: "2026-01-02T15:00:00Z"}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
`

func TestHaltAndRelease(t *testing.T) {
	c := newCluster(t, twoNamespaces)
	in := c.injector()
	halts := func(calls ...func() error) (halted []string) {
		t.Helper()
		for _, call := range calls {
			if err := call(); err != nil {
				t.Fatal(err)
			}
		}
		for _, namespace := range []string{"bank", "istio-system", "kube-node-lease", "kube-public", "kube-system", "leaving", "shop"} {
			h, err := in.Halted(t.Context(), namespace)
			if err != nil {
				t.Fatal(err)
			}
			if h == nil {
				continue
			}
			if h.Namespace != namespace || h.By != testBy || time.Since(h.Since).Abs() > 5*time.Second {
				t.Errorf("%+v", h)
			}
			halted = append(halted, namespace)
		}
		return halted
	}
	halt := func(namespaces ...string) func() error {
		return func() error { return in.Halt(t.Context(), namespaces...) }
	}
	release := func(namespaces ...string) func() error {
		return func() error { return in.Release(t.Context(), namespaces...) }
	}
	for _, step := range []struct {
		what string
		got  []string
		want string
	}{
		{"nothing yet", halts(), "[]"},
		{"one namespace", halts(halt("shop")), "[shop]"},
		{"again", halts(halt("shop")), "[shop]"},
		{"all", halts(halt()), "[bank istio-system shop]"},
		{"all again", halts(halt()), "[bank istio-system shop]"},
		{"one is released", halts(release("bank")), "[istio-system shop]"},
		{"again", halts(release("bank", "bank")), "[istio-system shop]"},
		{"all are", halts(release()), "[]"},
		{"again", halts(release()), "[]"},
	} {
		if fmt.Sprint(step.got) != step.want {
			t.Errorf("%s: halted %v, want %s", step.what, step.got, step.want)
		}
	}
}

func TestTheFirstHaltStays(t *testing.T) {
	c := newCluster(t)
	if err := c.injector().Halt(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	eve, err := NewForClient(c, WithBy("eve@ci/2"))
	if err != nil {
		t.Fatal(err)
	}
	if err := eve.Halt(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	halted, err := eve.Halted(t.Context(), "shop")
	if err != nil || halted.By != testBy {
		t.Errorf("%+v, %v; want the flag of %s", halted, err, testBy)
	}
	want := `halted: namespace shop has the halt flag since ` + halted.Since.Format(time.RFC3339) +
		`, set by "ada@ci/1"; nothing is injected there until faultline halt --release`
	if halted.Error() != want {
		t.Errorf("%s\nwant %s", halted, want)
	}
}

func TestHaltTriesEveryNamespace(t *testing.T) {
	c := newCluster(t, twoNamespaces)
	in := c.injector()
	c.setLeaseHooks(func(verb, namespace, _ string) error {
		switch {
		case verb == "create" && namespace == "bank", verb == "delete" && namespace == "shop":
			return forbidden(Ref{kindLease, namespace, haltName})
		case verb == "create" && namespace == "istio-system":
			return apierrors.NewNotFound(kubeNamespaces.GroupResource(), namespace) // it went after the list
		}
		return nil
	}, nil)
	err := in.Halt(t.Context())
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "halt namespace bank: ") || strings.Contains(err.Error(), "istio-system") {
		t.Errorf("%v, want bank in it alone", err)
	}
	if c.get(haltInShop) == nil {
		t.Error("shop was not tried")
	}
	if err := in.Halt(t.Context(), "istio-system"); err == nil {
		t.Error("a namespace that was named is not there, and nobody says so")
	}
	if err := in.Release(t.Context()); !strings.Contains(fmt.Sprint(err), "release namespace shop: ") {
		t.Errorf("%v, want shop in it", err)
	}
	c.before = func(string, string, string) error { return forbidden(Ref{kindVirtualService, "", ""}) }
	if err := in.Halt(t.Context()); !strings.HasPrefix(fmt.Sprint(err), "halt: list namespaces: ") {
		t.Errorf("%v, want the list in it", err)
	}
	c.setLeaseHooks(func(string, string, string) error { return errLost }, nil)
	if err := in.Release(t.Context()); !errors.Is(err, errLost) {
		t.Errorf("%v, want %v", err, errLost)
	}
	if h, err := in.Halted(t.Context(), "shop"); h != nil || !errors.Is(err, errLost) {
		t.Errorf("%v, %v, want %v", h, err, errLost)
	}
}

// TestUnderAHaltFlag plans and injects where the flag is set, beside the object
// or beside the Lease: nothing is written.
func TestUnderAHaltFlag(t *testing.T) {
	other := strings.ReplaceAll(payments, "namespace: shop", "namespace: bank")
	inBank := upstreamFault
	inBank.On.Namespace = "bank"
	limits := BlastRadius{Namespaces: []string{"shop", "bank"}}
	for _, namespace := range []string{"shop", "bank"} {
		t.Run(namespace, func(t *testing.T) {
			c := newCluster(t, payments, other)
			in := c.injector()
			faults := []Fault{upstreamFault, inBank}
			plan, err := in.Plan(t.Context(), testRun, faults, limits, in.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if err := in.Halt(t.Context(), namespace); err != nil {
				t.Fatal(err)
			}
			_, err = in.Plan(t.Context(), testRun, faults, limits, in.Now().Add(time.Hour))
			if halted, ok := errors.AsType[*HaltedError](err); !ok || halted.Namespace != namespace {
				t.Errorf("Plan: %v", err)
			}
			injection, err := in.Inject(t.Context(), plan)
			if halted, ok := errors.AsType[*HaltedError](err); !ok || halted.Namespace != namespace {
				t.Errorf("Inject: %v", err)
			}
			if want := []string{"create " + namespace + "/faultline-halt"}; len(c.writes) > 0 || !slices.Equal(c.leaseHistory(), want) {
				t.Errorf("writes %q %q, want the flag alone", c.writes, c.leaseHistory())
			}
			if err := injection.Revert(t.Context()); err != nil {
				t.Error(err)
			}
			if err := in.Release(t.Context(), namespace); err != nil {
				t.Fatal(err)
			}
			injection, err = in.Inject(t.Context(), plan)
			if err != nil || len(injection.Edits()) != 2 {
				t.Errorf("after the release: %v", err)
			}
			if err := injection.Revert(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHaltBetweenTwoWrites sets the flag when the first edit is written.
func TestHaltBetweenTwoWrites(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	before := c.content(paymentsVS)
	in := c.injector()
	plan := c.plan(in, testRun, callerFault, upstreamFault)
	flag := decodeOne(t, `
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: faultline-halt, namespace: shop, creationTimestamp: "2026-01-02T15:00:00Z"}
spec: {}`)
	c.after = func(verb, _, _ string) error {
		if c.get(haltInShop) == nil {
			c.add(flag)
		}
		return nil
	}
	injection, err := in.Inject(t.Context(), plan)
	halted, ok := errors.AsType[*HaltedError](err)
	if !ok || !halted.Since.Equal(testNow) || len(injection.Edits()) != 1 {
		t.Errorf("%v with %d edits, want the halt and one edit", err, len(injection.Edits()))
	}
	if err := injection.Revert(t.Context()); err != nil || c.content(paymentsVS) != before {
		t.Errorf("a revert was held up: %v, left %s", err, c.content(paymentsVS))
	}
}

func TestARunEndsWithAHalt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments)
		injection := c.inject(upstreamFault)
		ctx, cancel := injection.Context(t.Context())
		defer cancel()
		<-time.After(10500 * time.Millisecond)
		if ctx.Err() != nil {
			t.Fatalf("ended before: %v", context.Cause(ctx))
		}
		if err := c.injector().Halt(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		<-ctx.Done()
		if halted, ok := errors.AsType[*HaltedError](context.Cause(ctx)); !ok || halted.Namespace != "shop" || time.Since(began) > time.Second {
			t.Errorf("after %s: %v", time.Since(began), context.Cause(ctx))
		}
		later, cancelLater := injection.Context(t.Context())
		defer cancelLater()
		if <-later.Done(); !errors.Is(context.Cause(later), context.Cause(ctx)) {
			t.Errorf("a later context: %v", context.Cause(later))
		}
		<-time.After(5 * time.Second) // whoever is halted is alive until it has reverted
		if h := heartbeatOf(c.get(ourLease), testRun); time.Since(h.at) > 1500*time.Millisecond {
			t.Error("the Lease is no longer renewed")
		}
		if err := injection.Revert(t.Context()); err != nil || c.get(ourFilter) != nil {
			t.Errorf("%v, left %v", err, c.get(ourFilter))
		}
	})
}

// TestPlanWithoutARightToLeases plans all the same, and says what it cannot
// tell; Inject writes nothing then.
func TestPlanWithoutARightToLeases(t *testing.T) {
	c := newCluster(t, payments)
	c.setLeaseHooks(func(string, string, string) error { return forbidden(haltInShop) }, nil)
	in := c.injector()
	plan := c.plan(in, testRun, upstreamFault)
	if len(plan.Notes) != 1 || !strings.HasPrefix(plan.Notes[0], "whether a halt flag is set cannot be told: ") {
		t.Errorf("notes %q", plan.Notes)
	}
	if _, err := in.Inject(t.Context(), plan); !apierrors.IsForbidden(err) || len(c.writes) > 0 {
		t.Errorf("%v, writes %q", err, c.writes)
	}
	c.setLeaseHooks(func(string, string, string) error { return errLost }, nil)
	if _, err := in.Plan(t.Context(), testRun, []Fault{upstreamFault}, BlastRadius{}, in.Now().Add(time.Hour)); !errors.Is(err, errLost) {
		t.Errorf("%v, want %v", err, errLost)
	}
}
