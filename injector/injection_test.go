package injector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const paymentsRoutes = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: payments, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  hosts: [payments]
  http:
  - match: [{uri: {prefix: /a}}]
    route: [{destination: {host: payments}}]
  - route: [{destination: {host: payments}}]
`

var (
	paymentsVS = Ref{kindVirtualService, "shop", "payments"}
	ourFilter  = Ref{kindEnvoyFilter, "shop", "faultline." + testRun}

	callerFault   = Fault{On: onPayments, Effect: Abort{HTTPStatus: 503, Percent: 100}, Site: Caller}
	upstreamFault = Fault{On: onPayments, Effect: Abort{HTTPStatus: 503, Percent: 100}, Site: Upstream, Pods: 1}
)

// errLost is what a client sees when the connection breaks: no word of the
// API server about what became of the request.
var errLost = errors.New("connection reset by peer")

func TestInjectAndRevert(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	before := c.content(paymentsVS)
	in := c.injector()

	injection, err := in.Inject(t.Context(), c.plan(in, testRun, callerFault, upstreamFault))
	if err != nil {
		t.Fatal(err)
	}
	if got := runRoutes(at[[]any](c.get(paymentsVS).Object, "spec", "http"), testRun); len(got) != 2 {
		t.Errorf("routes %q, want two of run %s", got, testRun)
	}
	if c.get(ourFilter) == nil {
		t.Errorf("%s was not created", ourFilter)
	}
	for _, edit := range injection.Edits() {
		if edit.After.GetUID() == "" {
			t.Errorf("%s: After is not what was stored", edit.Ref)
		}
	}

	if err := injection.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.content(paymentsVS); got != before {
		t.Errorf("reverted to\n%s\nwant\n%s", got, before)
	}
	if got := c.content(ourFilter); got != "gone" {
		t.Errorf("%s is left: %s", ourFilter, got)
	}
	want := []string{
		"update shop/payments", "create shop/faultline.7f3a",
		"delete shop/faultline.7f3a", "update shop/payments",
	}
	if !slices.Equal(c.writes, want) {
		t.Errorf("writes %q, want %q: last in, first out", c.writes, want)
	}
}

func TestPlanWritesNothing(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	c.plan(c.injector(), testRun, callerFault, upstreamFault)
	if len(c.writes) > 0 {
		t.Errorf("planning wrote %q", c.writes)
	}
}

func TestRevertIsIdempotentAndNilSafe(t *testing.T) {
	var none *Injection
	if err := none.Revert(t.Context()); err != nil || none.Run() != "" || none.Edits() != nil {
		t.Errorf("nil Injection: %v, %q, %v", err, none.Run(), none.Edits())
	}
	c := newCluster(t, payments, paymentsRoutes)
	in := c.injector()
	injection, err := in.Inject(t.Context(), c.plan(in, testRun, callerFault))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := injection.Revert(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"update shop/payments", "update shop/payments"}; !slices.Equal(c.writes, want) {
		t.Errorf("writes %q, want %q", c.writes, want)
	}
	if len(injection.Edits()) != 1 {
		t.Errorf("edits are forgotten after the revert")
	}
}

func TestTwoRevertsAtOnce(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	before := c.content(paymentsVS)
	in := c.injector()
	injection, err := in.Inject(t.Context(), c.plan(in, testRun, callerFault, upstreamFault))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := injection.Revert(t.Context()); err != nil {
				t.Error(err)
			}
		})
		group.Go(func() {
			var unknown *UnknownRunError // another was faster
			if err := c.injector().RevertRun(t.Context(), testRun); err != nil && !errors.As(err, &unknown) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := c.content(paymentsVS); got != before {
		t.Errorf("reverted to\n%s\nwant\n%s", got, before)
	}
	if got := c.content(ourFilter); got != "gone" {
		t.Errorf("%s is left: %s", ourFilter, got)
	}
}

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
				if err := injection.Revert(t.Context()); err != nil {
					t.Fatal(err)
				}
				if c.get(ourFilter) != nil || c.content(paymentsVS) != before {
					t.Errorf("left: %v\n%s", c.get(ourFilter), c.content(paymentsVS))
				}
			})
		})
	}
}

// TestRevertWaitsForAWriteOnItsWay reverts while a write that was given up is
// still on its way: it arrives after the first clean reading, and goes again.
func TestRevertWaitsForAWriteOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments)
		in := c.injector()
		plan := c.plan(in, testRun, upstreamFault)
		c.before = func(verb, _, _ string) error {
			if verb == "create" {
				return errLost
			}
			return nil
		}
		injection, err := in.Inject(t.Context(), plan)
		if !errors.Is(err, errLost) {
			t.Fatal(err)
		}
		time.AfterFunc(300*time.Millisecond, func() { c.add(plan.Edits[0].After) })
		if err := injection.Revert(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.get(ourFilter) != nil {
			t.Errorf("%s arrived late and was left", ourFilter)
		}
	})
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

func TestRevertTriesEveryObject(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	in := c.injector()
	injection, err := in.Inject(t.Context(), c.plan(in, testRun, callerFault, upstreamFault))
	if err != nil {
		t.Fatal(err)
	}
	denied := apierrors.NewForbidden(envoyFilters.GroupResource(), ourFilter.Name, errors.New("no right"))
	c.before = func(verb, _, _ string) error {
		if verb == "delete" {
			return denied
		}
		return nil
	}
	err = injection.Revert(t.Context())
	var left *NotRevertedError
	if !errors.As(err, &left) || !slices.Equal(left.Refs, []Ref{ourFilter}) || !errors.Is(err, denied) {
		t.Fatalf("%v, want NOT REVERTED for %s only", err, ourFilter)
	}
	if carries(c.get(paymentsVS), testRun) {
		t.Errorf("%s was not tried after the other failed", paymentsVS)
	}
	c.before = nil
	if err := injection.Revert(t.Context()); err != nil || c.get(ourFilter) != nil {
		t.Errorf("second Revert: %v, filter %v", err, c.get(ourFilter))
	}
}

// TestRevertAnswersToTrouble meets each kind of trouble with a revert.
func TestRevertAnswersToTrouble(t *testing.T) {
	unavailable := apierrors.NewServiceUnavailable("away")
	tests := map[string]struct {
		trouble func(c *cluster)
		want    string // part of the error, "" for success
	}{
		"somebody deleted the object": {
			trouble: func(c *cluster) {
				if err := c.Tracker().Delete(virtualServices, "shop", "payments"); err != nil {
					c.t.Fatal(err)
				}
			},
		},
		"somebody deletes it between reading and writing": {
			trouble: func(c *cluster) {
				c.before = func(verb, namespace, name string) error {
					if verb == "update" {
						return c.Tracker().Delete(virtualServices, namespace, name)
					}
					return nil
				}
			},
		},
		"two conflicts": {
			trouble: func(c *cluster) {
				left := 2
				c.before = func(verb, _, name string) error {
					if verb == "update" && left > 0 {
						left--
						c.change(paymentsVS, func(vs *unstructured.Unstructured) { vs.SetAnnotations(withNote(vs)) })
					}
					return nil
				}
			},
		},
		"the API server is away for a moment": {
			trouble: func(c *cluster) {
				left := 3
				c.before = func(string, string, string) error {
					if left--; left >= 0 {
						return unavailable
					}
					return nil
				}
			},
		},
		"it stays away": {
			trouble: func(c *cluster) { c.before = func(string, string, string) error { return unavailable } },
			want:    "revert VirtualService shop/payments: read: away",
		},
		"a write that does not stick": {
			trouble: func(c *cluster) {
				marked := c.get(paymentsVS).DeepCopy()
				c.after = func(string, string, string) error {
					c.change(paymentsVS, func(vs *unstructured.Unstructured) { vs.Object = marked.DeepCopy().Object })
					return nil
				}
			},
			want: "its mark came back after it was taken out",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, payments, paymentsRoutes)
				in := c.injector()
				injection, err := in.Inject(t.Context(), c.plan(in, testRun, callerFault))
				if err != nil {
					t.Fatal(err)
				}
				test.trouble(c)
				err = injection.Revert(t.Context())
				if test.want == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				var left *NotRevertedError
				if !errors.As(err, &left) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%v, want NOT REVERTED because %q", err, test.want)
				}
			})
		})
	}
}

func withNote(obj *unstructured.Unstructured) map[string]string {
	annotations := obj.GetAnnotations()
	annotations["note"] = fmt.Sprint(len(annotations["note"]) + 1)
	return annotations
}

// TestRevertLeavesANamesake deletes only the object that was created: one that
// somebody made in its place, without marks, is theirs.
func TestRevertLeavesANamesake(t *testing.T) {
	c := newCluster(t, payments)
	in := c.injector()
	injection, err := in.Inject(t.Context(), c.plan(in, testRun, upstreamFault))
	if err != nil {
		t.Fatal(err)
	}
	namesake := decodeOne(t, `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: faultline.7f3a, namespace: shop}
`)
	replaced := false
	c.before = func(verb, _, _ string) error {
		if verb == "delete" && !replaced {
			replaced = true
			if err := c.Tracker().Delete(envoyFilters, "shop", ourFilter.Name); err != nil {
				t.Error(err)
			}
			c.add(namesake)
		}
		return nil
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !replaced || c.get(ourFilter) == nil {
		t.Errorf("the namesake was deleted")
	}
}

func TestRevertSaysWhatFinalizersHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments)
		in := c.injector()
		injection, err := in.Inject(t.Context(), c.plan(in, testRun, upstreamFault))
		if err != nil {
			t.Fatal(err)
		}
		c.change(ourFilter, func(obj *unstructured.Unstructured) {
			obj.SetFinalizers([]string{"example.com/keep"})
			obj.Object["metadata"].(object)["deletionTimestamp"] = "2026-01-02T15:04:05Z"
		})
		err = injection.Revert(t.Context())
		if err == nil || !strings.Contains(err.Error(), `finalizers ["example.com/keep"] hold it`) {
			t.Errorf("%v, want the finalizer named", err)
		}
	})
}

// TestSecondFaultOfARunOnOneObject writes one object twice in one run.
func TestSecondFaultOfARunOnOneObject(t *testing.T) {
	service := strings.ReplaceAll(payments, "ports: [{name: http, port: 80, targetPort: 8080}]",
		"ports: [{name: http, port: 80}, {name: grpc, port: 90}]")
	c := newCluster(t, service, paymentsRoutes)
	before := c.content(paymentsVS)
	in := c.injector()
	first, second := callerFault, callerFault
	first.On.Port, second.On.Port = 80, 90
	injection, err := in.Inject(t.Context(), c.plan(in, testRun, first, second))
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := markOf(c.get(paymentsVS), testRun)
	if err != nil || len(m.Routes) != 4 {
		t.Errorf("mark %+v, %v; want four routes", m, err)
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.content(paymentsVS); got != before {
		t.Errorf("reverted to\n%s\nwant\n%s", got, before)
	}
}

func TestTwoRunsOnOneObject(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	before := c.content(paymentsVS)
	in := c.injector()
	planA, planB := c.plan(in, "aaaa", callerFault), c.plan(in, "bbbb", callerFault)
	a, err := in.Inject(t.Context(), planA)
	if err != nil {
		t.Fatal(err)
	}
	b, err := in.Inject(t.Context(), planB) // planned before a was there
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if vs := c.get(paymentsVS); carries(vs, "aaaa") || !carries(vs, "bbbb") || !isLabelled(vs) {
		t.Errorf("after the first revert: %s", c.content(paymentsVS))
	}
	if err := b.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.content(paymentsVS); got != before {
		t.Errorf("reverted to\n%s\nwant\n%s", got, before)
	}
}

// TestUpdateNeedsAVersion keeps a write without a resourceVersion, which would
// overwrite whatever is there, from leaving this package.
func TestUpdateNeedsAVersion(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	_, err := c.injector().update(t.Context(), decodeOne(t, paymentsRoutes))
	if err == nil || !strings.Contains(err.Error(), "no resourceVersion") || len(c.writes) > 0 {
		t.Errorf("%v, writes %q", err, c.writes)
	}
}
