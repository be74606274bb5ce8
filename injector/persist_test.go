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
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	webhookDown = apierrors.NewInternalError(errors.New(`failed calling webhook "rev.validation.istio.io": failed to call webhook: ` +
		`Post "https://istiod.istio-system.svc:443/validate?timeout=10s": dial tcp 10.0.0.7:443: connect: connection refused`))
	webhookSaysNo = apierrors.NewBadRequest(`admission webhook "validation.istio.io" denied the request: configuration is invalid: ` +
		`http, tcp or tls must be provided in virtual service`)
)

// TestRevertGoesOnThroughTrouble meets trouble for a while, and is done soon
// after it has passed.
func TestRevertGoesOnThroughTrouble(t *testing.T) {
	tests := map[string]error{
		"500":              apierrors.NewInternalError(errors.New("oops")),
		"503":              apierrors.NewServiceUnavailable("away"),
		"504":              apierrors.NewTimeoutError("slow", 0),
		"429":              apierrors.NewTooManyRequests("later", 1),
		"network":          errLost,
		"conflict":         apierrors.NewConflict(virtualServices.GroupResource(), "payments", errors.New("newer")),
		"a webhook's down": webhookDown,
	}
	for name, trouble := range tests {
		for _, verb := range []string{"get", "update", "delete"} {
			t.Run(name+"/"+verb, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCluster(t, payments, paymentsRoutes)
					before := c.content(paymentsVS)
					injection := c.inject(callerFault, upstreamFault)
					began := time.Now()
					troubled := func(v, _, _ string) error {
						if v == verb && time.Since(began) < 20*time.Second {
							return trouble
						}
						return nil
					}
					c.before = troubled
					c.setLeaseHooks(troubled, nil)
					if err := injection.Revert(t.Context()); err != nil {
						t.Error(err)
					}
					if took := time.Since(began); took < 20*time.Second || took > 23*time.Second {
						t.Errorf("took %s", took)
					}
					if c.content(paymentsVS) != before || c.get(ourFilter) != nil || c.get(ourLease) != nil {
						t.Errorf("left %s, %v, %v", c.content(paymentsVS), c.get(ourFilter), c.get(ourLease))
					}
				})
			})
		}
	}
}

// TestRevertGivesUp ends a revert that cannot succeed: at once when it is
// refused, else with the budget, which is the context's, or 30 s.
func TestRevertGivesUp(t *testing.T) {
	forever := context.WithoutCancel
	tests := map[string]struct {
		trouble error
		ctx     func(context.Context) (context.Context, context.CancelFunc)
		after   time.Duration
		want    string
	}{
		"no right": {
			trouble: apierrors.NewForbidden(schema.GroupResource{Group: istioGroup, Resource: "virtualservices"}, "payments",
				errors.New(`User "ci" cannot update resource "virtualservices" in API group "networking.istio.io" in the namespace "shop"`)),
			want: "revert VirtualService shop/payments: the rights for it are missing: update: virtualservices.networking.istio.io \"payments\" is forbidden: " +
				"User \"ci\" cannot update resource",
		},
		"refused by a webhook": {
			trouble: webhookSaysNo,
			want:    "a policy of the cluster refuses the object as it would be without run 7f3a",
		},
		"not known": {
			trouble: apierrors.NewUnauthorized("who are you?"),
			after:   30 * time.Millisecond,
			want:    "the rights for it are missing: update: who are you?",
		},
		"a webhook that stays down": {
			trouble: webhookDown, after: 30 * time.Second,
			want: "gets no answer: mostly istiod, which validates Istio's objects, is down. Bring it back; or set failurePolicy",
		},
		"away, with a deadline": {
			trouble: errLost, after: 5 * time.Second,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeoutCause(forever(ctx), 5*time.Second, errors.New("enough"))
			},
			want: "because: gave up: enough\nrevert VirtualService shop/payments: update: connection reset by peer",
		},
		"away, with none": {
			trouble: errLost, after: 30 * time.Second,
			want: "because: gave up: 30s have passed\nrevert VirtualService shop/payments: update: connection reset by peer",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, payments, paymentsRoutes)
				injection := c.inject(callerFault, upstreamFault)
				c.before = func(verb, _, _ string) error {
					if verb == "update" {
						return test.trouble
					}
					return nil
				}
				ctx, cancel := forever(t.Context()), func() {}
				if test.ctx != nil {
					ctx, cancel = test.ctx(t.Context())
				}
				defer cancel()
				began := time.Now()
				err := injection.Revert(ctx)
				var left *NotRevertedError
				if !errors.As(err, &left) || !slices.Equal(left.Refs, []Ref{paymentsVS}) || !errors.Is(err, test.trouble) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%v\nwant NOT REVERTED: %s", err, test.want)
				}
				if took := time.Since(began); took > test.after+time.Millisecond || took < test.after {
					t.Errorf("took %s, want %s", took, test.after)
				}
				if c.get(ourFilter) != nil || c.get(ourLease) == nil {
					t.Errorf("filter %v, Lease %v: what could be reverted is to be, and the Lease to stay", c.get(ourFilter), c.get(ourLease))
				}
				c.before = nil
				if err := injection.Revert(t.Context()); err != nil || c.get(ourLease) != nil {
					t.Errorf("once it can: %v", err)
				}
			})
		})
	}
}

// TestCredentialsMayBeRenewed answers 401 twice.
func TestCredentialsMayBeRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments, paymentsRoutes)
		injection := c.inject(callerFault)
		left := 2
		c.before = func(string, string, string) error {
			if left--; left >= 0 {
				return apierrors.NewUnauthorized("expired")
			}
			return nil
		}
		if err := injection.Revert(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestRevertOfOneObjectDoesNotHoldUpAnother never answers about one of two.
func TestRevertOfOneObjectDoesNotHoldUpAnother(t *testing.T) {
	for _, hanging := range []Ref{ourFilter, paymentsVS} {
		t.Run(hanging.Kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, payments, paymentsRoutes)
				before := c.content(paymentsVS)
				in := c.injector()
				armed := c.hang(in, "get", hanging.Name)
				injection, err := in.Inject(t.Context(), c.plan(in, testRun, callerFault, upstreamFault))
				if err != nil {
					t.Fatal(err)
				}
				armed.Store(true)
				began := time.Now()
				err = injection.Revert(t.Context())
				var left *NotRevertedError
				if !errors.As(err, &left) || !slices.Equal(left.Refs, []Ref{hanging}) || time.Since(began) != revertBudget {
					t.Errorf("after %s: %v", time.Since(began), err)
				}
				if clean := c.content(paymentsVS) == before; clean != (hanging != paymentsVS) {
					t.Errorf("the VirtualService is clean: %v", clean)
				}
				if gone := c.get(ourFilter) == nil; gone != (hanging != ourFilter) {
					t.Errorf("the EnvoyFilter is gone: %v", gone)
				}
			})
		})
	}
}

// TestALateUpdateIsShutOut loses an update on its way there. It arrives only
// after the revert, when nobody looks any more: the API server must refuse it.
func TestALateUpdateIsShutOut(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	before := c.content(paymentsVS)
	in := c.injector()
	plan := c.plan(in, testRun, callerFault)
	c.before = func(verb, _, _ string) error {
		if verb == "update" {
			return errLost
		}
		return nil
	}
	injection, err := in.Inject(t.Context(), plan)
	if !errors.Is(err, errLost) {
		t.Fatal(err)
	}
	c.before = nil
	if err := injection.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := in.update(t.Context(), plan.Edits[0].After); !apierrors.IsConflict(err) {
		t.Errorf("the late write: %v, want a conflict", err)
	}
	if got := c.content(paymentsVS); got != before {
		t.Errorf("left\n%s\nwant\n%s", got, before)
	}
	if want := []string{"update shop/payments", "update shop/payments"}; !slices.Equal(c.writes, want) {
		t.Errorf("writes %q, want %q", c.writes, want)
	}
}

// TestALateUpdateAfterAnother needs no shutting out: somebody wrote meanwhile.
func TestALateUpdateAfterAnother(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	in := c.injector()
	plan := c.plan(in, testRun, callerFault)
	c.before = func(verb, _, _ string) error {
		if verb == "update" {
			c.change(paymentsVS, func(vs *unstructured.Unstructured) { vs.SetLabels(map[string]string{"a": "b"}) })
			return errLost
		}
		return nil
	}
	injection, err := in.Inject(t.Context(), plan)
	if !errors.Is(err, errLost) {
		t.Fatal(err)
	}
	c.before = nil
	if err := injection.Revert(t.Context()); err != nil || len(c.writes) > 0 {
		t.Errorf("%v, writes %q, want none", err, c.writes)
	}
}

// TestNothingButTheRunsRoutes is left in a VirtualService whose owner took all
// others out: what Istio says to it without routes is told, and what to do.
func TestNothingButTheRunsRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments, paymentsRoutes)
		injection := c.inject(callerFault)
		c.change(paymentsVS, func(vs *unstructured.Unstructured) {
			at[object](vs.Object, "spec")["http"] = ownRoutes(at[[]any](vs.Object, "spec", "http"), testRun)
		})
		c.before = func(verb, _, _ string) error {
			if verb == "update" {
				return webhookSaysNo
			}
			return nil
		}
		err := injection.Revert(t.Context())
		want := "nothing but routes of run 7f3a is in it, and Istio takes no VirtualService without routes: delete it, or give it a route of your own"
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
		c.before = nil // no webhook: an empty list is what its owner left
		if err := injection.Revert(t.Context()); err != nil {
			t.Error(err)
		}
		if got := at[[]any](c.get(paymentsVS).Object, "spec", "http"); got == nil || len(got) > 0 {
			t.Errorf("routes %v", got)
		}
	})
}

// TestRevertRunGoesOnThroughTrouble cannot list for a while.
func TestRevertRunGoesOnThroughTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments, paymentsRoutes)
		c.inject(callerFault, upstreamFault).die()
		began := time.Now()
		c.before = func(verb, _, _ string) error {
			if verb == "list" && time.Since(began) < 10*time.Second {
				return errLost
			}
			return nil
		}
		in := c.injector()
		if err := in.RevertRun(t.Context(), testRun); err != nil || c.get(ourLease) != nil || time.Since(began) > 12*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// TestRevertRunTakesOutWhatItCanSee may not list one of the kinds.
func TestRevertRunTakesOutWhatItCanSee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments, paymentsRoutes)
		before := c.content(paymentsVS)
		c.inject(callerFault, upstreamFault).die()
		lists := 0
		c.before = func(verb, _, _ string) error {
			if lists++; verb == "list" && lists == 2 {
				return forbidden(Ref{Kind: kindEnvoyFilter})
			}
			return nil
		}
		began := time.Now()
		err := c.injector().RevertRun(t.Context(), testRun)
		var left *NotRevertedError
		if !errors.As(err, &left) || left.Run != testRun || !apierrors.IsForbidden(err) || time.Since(began) > time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if c.content(paymentsVS) != before {
			t.Error("what could be seen was not reverted")
		}
	})
}
