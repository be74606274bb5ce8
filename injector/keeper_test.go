package injector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestTheLeaseIsRenewedEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments)
		injection := c.inject(upstreamFault)
		ctx, cancel := injection.Context(t.Context())
		defer cancel()
		for n := range 30 {
			<-time.After(time.Second)
			synctest.Wait()
			if h := heartbeatOf(c.get(ourLease), testRun); time.Since(h.at) > 1100*time.Millisecond {
				t.Fatalf("after %d seconds it was last renewed %s ago", n+1, time.Since(h.at))
			}
		}
		if ctx.Err() != nil {
			t.Errorf("the context ended: %v", context.Cause(ctx))
		}
		if err := injection.Revert(t.Context()); err != nil {
			t.Error(err)
		}
	}) // which fails when a goroutine is left
}

// TestTheRunIsLost takes the Lease away in each way: the context ends in time,
// and says what was seen.
func TestTheRunIsLost(t *testing.T) {
	away := apierrors.NewServiceUnavailable("away")
	broken := func(c *cluster, err error) {
		c.setLeaseHooks(func(verb, _, _ string) error {
			if verb == "update" {
				return err
			}
			return nil
		}, nil)
	}
	tests := map[string]struct {
		trouble func(c *cluster)
		within  time.Duration
		want    string
		goesOn  bool // it is still ours, and renewed when that works again
	}{
		"deleted": {
			trouble: func(c *cluster) {
				if err := c.Tracker().Delete(leases, "shop", ourLease.Name); err != nil {
					c.t.Fatal(err)
				}
			},
			within: time.Second, want: "it was deleted",
		},
		"taken": {
			trouble: func(c *cluster) { c.change(ourLease, rename) },
			within:  time.Second, want: `"eve@ci/2" holds it now`,
		},
		"recreated": {
			trouble: func(c *cluster) {
				lease := c.get(ourLease)
				if err := c.Tracker().Delete(leases, "shop", ourLease.Name); err != nil {
					c.t.Fatal(err)
				}
				c.add(lease)
			},
			within: time.Second, want: "holds it now",
		},
		"the API server is away": {
			trouble: func(c *cluster) { broken(c, away) },
			within:  7 * time.Second, want: "it could not be renewed for", goesOn: true,
		},
		"the right is gone": {
			trouble: func(c *cluster) { broken(c, forbidden(ourLease)) },
			within:  7 * time.Second, want: "no right", goesOn: true,
		},
		"its time is over": {
			trouble: func(c *cluster) {},
			within:  time.Hour, want: "its time is over since 2000-01-01T01:00:00Z",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, payments)
				injection := c.inject(upstreamFault)
				ctx, cancel := injection.Context(t.Context())
				defer cancel()
				test.trouble(c)
				began := time.Now()
				<-ctx.Done()
				lost, ok := errors.AsType[*LeaseLostError](context.Cause(ctx))
				if !ok || lost.Lease != ourLease || lost.Run != testRun || !strings.Contains(lost.Error(), test.want) {
					t.Errorf("%v, want %q", context.Cause(ctx), test.want)
				}
				if took := time.Since(began); took > test.within {
					t.Errorf("noticed after %s, want %s at most", took, test.within)
				}
				c.setLeaseHooks(nil, nil)
				<-time.After(2 * time.Second)
				if lease := c.get(ourLease); test.goesOn && time.Since(heartbeatOf(lease, testRun).at) > 1500*time.Millisecond {
					t.Error("it is not renewed any more, though it could be")
				}
				if err := injection.Revert(t.Context()); err != nil || c.get(ourFilter) != nil {
					t.Errorf("Revert: %v, left %v", err, c.get(ourFilter))
				}
				if lease := c.get(ourLease); lease != nil && test.goesOn {
					t.Errorf("the Lease is left: %v", lease)
				}
			})
		})
	}
}

// TestTroubleThatPassesLosesNothing gets through all that is not a loss.
func TestTroubleThatPassesLosesNothing(t *testing.T) {
	tests := map[string]func(c *cluster){
		"away for five seconds": func(c *cluster) {
			since := time.Now()
			c.setLeaseHooks(func(string, string, string) error {
				if time.Since(since) < 5*time.Second {
					return errLost
				}
				return nil
			}, nil)
		},
		"somebody annotates the Lease": func(c *cluster) {
			n := 0
			c.setLeaseHooks(func(verb, _, name string) error {
				if n++; verb == "update" && n%2 == 1 {
					c.change(ourLease, func(lease *unstructured.Unstructured) {
						lease.SetAnnotations(map[string]string{"note": fmt.Sprint(n)})
					})
				}
				return nil
			}, nil)
		},
		"a renewal whose answer is lost": func(c *cluster) {
			n := 0
			c.setLeaseHooks(nil, func(verb, _, _ string) error {
				if n++; verb == "update" && n%3 == 1 {
					return errLost
				}
				return nil
			})
		},
	}
	for name, trouble := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, payments)
				injection := c.inject(upstreamFault)
				ctx, cancel := injection.Context(t.Context())
				defer cancel()
				trouble(c)
				<-time.After(time.Minute)
				if ctx.Err() != nil {
					t.Errorf("lost: %v", context.Cause(ctx))
				}
				if h := heartbeatOf(c.get(ourLease), testRun); time.Since(h.at) > 2500*time.Millisecond {
					t.Errorf("last renewed %s ago", time.Since(h.at))
				}
				c.setLeaseHooks(nil, nil)
				if err := injection.Revert(t.Context()); err != nil || c.get(ourLease) != nil {
					t.Errorf("%v, %v", err, c.get(ourLease))
				}
			})
		})
	}
}

// TestARenewalThatHangsIsNoticed never answers a renewal.
func TestARenewalThatHangsIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments)
		in := c.injector()
		hanging := c.hang(in, "update", ourLease.Name)
		injection, err := in.Inject(t.Context(), c.plan(in, testRun, upstreamFault))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := injection.Context(t.Context())
		defer cancel()
		hanging.Store(true)
		began := time.Now()
		<-ctx.Done()
		if took := time.Since(began); took > 7*time.Second {
			t.Errorf("noticed after %s", took)
		}
		if _, ok := errors.AsType[*LeaseLostError](context.Cause(ctx)); !ok {
			t.Error(context.Cause(ctx))
		}
		if err := injection.Revert(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestInjectEndsWithItsLease loses the Lease while a write gets no answer.
func TestInjectEndsWithItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments, paymentsRoutes)
		before := c.content(paymentsVS)
		in := c.injector()
		plan := c.plan(in, testRun, callerFault, upstreamFault)
		c.hang(in, "create", ourFilter.Name).Store(true)
		c.after = func(verb, _, _ string) error {
			if verb == "update" && c.get(ourLease) != nil {
				return c.Tracker().Delete(leases, "shop", ourLease.Name)
			}
			return nil
		}
		injection, err := in.Inject(t.Context(), plan)
		if _, ok := errors.AsType[*LeaseLostError](err); !ok {
			t.Errorf("%v, want the loss of the Lease", err)
		}
		if err := injection.Revert(t.Context()); err != nil || c.content(paymentsVS) != before {
			t.Errorf("%v, left %s", err, c.content(paymentsVS))
		}
	})
}
