package injector

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestInjectPlansAgainAfterAConflict lets somebody else edit the object between
// the plan and the write: the new route gets its clone too.
func TestInjectPlansAgainAfterAConflict(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	in := c.injector()
	plan := c.plan(in, testRun, callerFault)
	c.change(paymentsVS, func(vs *unstructured.Unstructured) {
		routes := at[[]any](vs.Object, "spec", "http")
		routes = append([]any{object{"match": []any{object{"port": int64(80)}}, "route": []any{}}}, routes...)
		if err := unstructured.SetNestedSlice(vs.Object, routes, "spec", "http"); err != nil {
			t.Fatal(err)
		}
	})
	foreign := c.content(paymentsVS)

	injection, err := in.Inject(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"faultline-7f3a-1000", "faultline-7f3a-1001", "faultline-7f3a-1002"}
	if got := injection.Edits()[0].Routes; !slices.Equal(got, want) {
		t.Errorf("routes %q, want one for the foreign route too, and numbers that no other edit has: %q", got, want)
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.content(paymentsVS); got != foreign {
		t.Errorf("reverted to\n%s\nwant\n%s", got, foreign)
	}
}

func TestInjectEndsWhenTheEditIsNoLongerRight(t *testing.T) {
	tests := map[string]struct {
		change func(*unstructured.Unstructured)
		want   string
	}{
		"the host went elsewhere": {
			func(vs *unstructured.Unstructured) { at[[]any](vs.Object, "spec", "hosts")[0] = "orders" },
			"inject VirtualService shop/payments: changed since it was planned: " +
				"it does not route payments.shop.svc.cluster.local for the mesh",
		},
		"a route got a fault": {
			func(vs *unstructured.Unstructured) { objectsAt(vs.Object, "spec", "http")[1]["fault"] = object{} },
			"inject VirtualService shop/payments: changed since it was planned: " +
				"spec.http[1] has a fault of its own, which the run's requests would no longer meet",
		},
		"the run is there already": {
			func(vs *unstructured.Unstructured) {
				if err := newMark(testUntil, testBy).put(vs, testRun); err != nil {
					t.Error(err)
				}
			},
			"inject VirtualService shop/payments: carries a mark of run 7f3a already",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, payments, paymentsRoutes)
			in := c.injector()
			plan := c.plan(in, testRun, callerFault)
			c.change(paymentsVS, test.change)
			injection, err := in.Inject(t.Context(), plan)
			if err == nil || err.Error() != test.want {
				t.Errorf("error %v\nwant  %s", err, test.want)
			}
			if len(c.writes) > 0 || len(injection.Edits()) > 0 {
				t.Errorf("writes %q, edits %v, want none", c.writes, injection.Edits())
			}
		})
	}
}

func TestInjectGivesUpOnEndlessConflicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments, paymentsRoutes)
		in := c.injector()
		plan := c.plan(in, testRun, callerFault)
		tries := 0
		c.before = func(verb, _, name string) error {
			if verb != "update" {
				return nil
			}
			tries++
			return apierrors.NewConflict(virtualServices.GroupResource(), name, errors.New("never newest"))
		}
		injection, err := in.Inject(t.Context(), plan)
		if !apierrors.IsConflict(err) || tries != attempts {
			t.Errorf("after %d tries: %v; want a conflict after %d", tries, err, attempts)
		}
		if err := injection.Revert(t.Context()); err != nil {
			t.Errorf("nothing was written, but Revert says %v", err)
		}
	})
}

// TestInjectKeepsWhatWasWritten makes the second of two writes fail in each
// way: the first can be reverted, and the second too when it may have happened.
func TestInjectKeepsWhatWasWritten(t *testing.T) {
	refusal := apierrors.NewForbidden(envoyFilters.GroupResource(), ourFilter.Name, errors.New("no right"))
	tests := map[string]struct {
		before, after error // answer of the second write, not done or done
		edits         int
		left          bool // the filter is there when Inject returns
	}{
		"refused":                 {before: refusal, edits: 1},
		"lost on the way there":   {before: errLost, edits: 2},
		"lost on the way back":    {after: errLost, edits: 2, left: true},
		"timed out, and was done": {after: apierrors.NewTimeoutError("slow", 1), edits: 2, left: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, payments, paymentsRoutes)
				before := c.content(paymentsVS)
				in := c.injector()
				plan := c.plan(in, testRun, callerFault, upstreamFault)
				only := func(err error) func(verb, namespace, name string) error {
					return func(verb, _, _ string) error {
						if verb != "create" {
							return nil
						}
						return err
					}
				}
				c.before, c.after = only(test.before), only(test.after)

				injection, err := in.Inject(t.Context(), plan)
				if want := errors.Join(test.before, test.after); err == nil || !strings.HasSuffix(err.Error(), want.Error()) {
					t.Errorf("Inject: %v, want %v", err, want)
				}
				if len(injection.Edits()) != test.edits || (c.get(ourFilter) != nil) != test.left {
					t.Errorf("%d edits, filter %v; want %d, %v", len(injection.Edits()), c.get(ourFilter), test.edits, test.left)
				}
				began := time.Now()
				if err := injection.Revert(t.Context()); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); test.left && took > 10*firstPause {
					t.Errorf("what was in doubt is seen and gone, but the revert took %s", took)
				}
				if c.get(ourFilter) != nil || c.content(paymentsVS) != before {
					t.Errorf("left: %v\n%s", c.get(ourFilter), c.content(paymentsVS))
				}
			})
		})
	}
}

func TestInjectStopsWithItsContext(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	in := c.injector()
	plan := c.plan(in, testRun, callerFault, upstreamFault)
	ctx, cancel := context.WithCancel(t.Context())
	c.after = func(string, string, string) error { cancel(); return nil }
	injection, err := in.Inject(ctx, plan)
	if !errors.Is(err, context.Canceled) || len(injection.Edits()) != 1 {
		t.Errorf("%v with %d edits, want canceled with the one that was written", err, len(injection.Edits()))
	}
	var left *NotRevertedError
	if err := injection.Revert(ctx); !errors.As(err, &left) || !errors.Is(err, context.Canceled) {
		t.Errorf("Revert with a dead context: %v, want NOT REVERTED", err)
	}
	if err := injection.Revert(context.WithoutCancel(ctx)); err != nil {
		t.Error(err)
	}
}

func TestInjectRefusesAStalePlan(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	in := c.injector()
	plan := c.plan(in, testRun, callerFault)
	plan.Until = in.Now().Add(-time.Second)
	injection, err := in.Inject(t.Context(), plan)
	if err == nil || !strings.Contains(err.Error(), "stale") || len(c.writes) > 0 {
		t.Errorf("%v, writes %q; want a refusal and none", err, c.writes)
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestInjectTwice finds the objects of its own run there already: they belong
// to the injection that made them.
func TestInjectTwice(t *testing.T) {
	for name, fault := range map[string]Fault{"caller": callerFault, "upstream": upstreamFault} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, payments, paymentsRoutes)
			in := c.injector()
			plan := c.plan(in, testRun, fault)
			first, err := in.Inject(t.Context(), plan)
			if err != nil {
				t.Fatal(err)
			}
			second, err := in.Inject(t.Context(), plan)
			if err == nil || !strings.Contains(err.Error(), "already") || len(second.Edits()) > 0 {
				t.Errorf("%v with %d edits, want a refusal", err, len(second.Edits()))
			}
			if err := first.Revert(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
