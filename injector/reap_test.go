package injector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

// die stops an injection as the death of its process does: nothing is renewed
// or written any more, and all that was written stays.
func (inj *Injection) die() { inj.finish() }

// states returns the leftovers in a line each: kind, state and why.
func states(found []Leftover) string {
	var lines []string
	for _, l := range found {
		lines = append(lines, fmt.Sprintf("%s %s: %s", l.Ref.Kind, l.State, l.Why))
	}
	return strings.Join(lines, "\n")
}

// expectStates compares leftovers, each by the beginning of its line.
func expectStates(t *testing.T, found []Leftover, want ...string) {
	t.Helper()
	got := strings.Split(states(found), "\n")
	if len(found) != len(want) {
		t.Errorf("%d leftovers, want %d:\n%s", len(found), len(want), states(found))
		return
	}
	for n := range want {
		if !strings.HasPrefix(got[n], want[n]) {
			t.Errorf("leftover %q\nwant     %q", got[n], want[n])
		}
	}
}

func mustLeftovers(t *testing.T, in *Injector, namespaces ...string) []Leftover {
	t.Helper()
	found, err := in.Leftovers(t.Context(), namespaces...)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestADeadRunIsReaped kills a run and takes its faults out once its Lease was
// watched for its duration, and not before.
func TestADeadRunIsReaped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments, paymentsRoutes)
		before := c.content(paymentsVS)
		injection := c.inject(callerFault, upstreamFault)
		in := c.injector()
		reap := func(want int, wait time.Duration) {
			t.Helper()
			began := time.Now()
			done, err := in.RevertStale(t.Context())
			if took := time.Since(began); err != nil || len(done) != want || took < wait || took > wait+2*lookEvery {
				t.Errorf("reverted %d after %s, %v; want %d after %s", len(done), took, err, want, wait)
			}
		}
		<-time.After(20 * time.Second)
		expectStates(t, mustLeftovers(t, in), "EnvoyFilter live: its Lease shop/faultline-7f3a was renewed", "VirtualService live: ")
		reap(0, 0)
		injection.die()
		<-time.After(5 * time.Second)
		expectStates(t, mustLeftovers(t, in), "EnvoyFilter live: ", "VirtualService live: ")
		reap(0, 0)
		<-time.After(6 * time.Second)
		expectStates(t, mustLeftovers(t, in), "EnvoyFilter silent: its Lease shop/faultline-7f3a was last renewed 11s ago", "VirtualService silent: ")
		reap(2, 10*time.Second)
		if c.content(paymentsVS) != before || c.get(ourFilter) != nil || c.get(ourLease) != nil {
			t.Errorf("left %s, %v, %v", c.content(paymentsVS), c.get(ourFilter), c.get(ourLease))
		}
		reap(0, 0)
	})
}

// TestARunWithAWrongClockLives renews its Lease with times that are hours off:
// by the server's clock it is silent, but whoever watches sees it live.
func TestARunWithAWrongClockLives(t *testing.T) {
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, payments)
				in := c.injector()
				plan := c.plan(in, testRun, upstreamFault)
				plan.Until = plan.Until.Add(3 * time.Hour)
				in.clock.ahead.Store(int64(off))
				injection, err := in.Inject(t.Context(), plan)
				if err != nil {
					t.Fatal(err)
				}
				right := c.injector()
				expectStates(t, mustLeftovers(t, right), "EnvoyFilter silent: ")
				began := time.Now()
				done, err := right.RevertStale(t.Context())
				if err != nil || len(done) != 0 || time.Since(began) > 2*time.Second {
					t.Errorf("reverted %v, %v after %s; want none, and soon", done, err, time.Since(began))
				}
				if err := injection.Revert(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestStaleAtOnce reaps what needs no watching.
func TestStaleAtOnce(t *testing.T) {
	tests := map[string]struct {
		change func(c *cluster)
		want   []string
	}{
		"the Lease is gone": {
			func(c *cluster) {
				if err := c.Tracker().Delete(leases, "shop", ourLease.Name); err != nil {
					c.t.Fatal(err)
				}
			},
			[]string{"EnvoyFilter stale: its Lease shop/faultline-7f3a is gone", "VirtualService stale: its Lease"},
		},
		"a stranger has its name": {
			func(c *cluster) {
				c.change(ourLease, func(lease *unstructured.Unstructured) { lease.SetLabels(nil); lease.SetAnnotations(nil) })
			},
			[]string{"EnvoyFilter stale: its Lease shop/faultline-7f3a is gone", "VirtualService stale: its Lease"},
		},
		"the time is over": {
			func(*cluster) { <-time.After(2 * time.Hour) },
			[]string{"EnvoyFilter stale: its time is over", "VirtualService stale: its time is over"},
		},
		"the Lease alone is left": {
			func(c *cluster) {
				<-time.After(2 * time.Hour)
				if err := errors.Join(
					c.Tracker().Delete(envoyFilters, "shop", ourFilter.Name),
					c.Tracker().Delete(virtualServices, "shop", paymentsVS.Name),
				); err != nil {
					c.t.Fatal(err)
				}
			},
			[]string{"Lease stale: its time is over"},
		},
		"broken marks, and no Lease": {
			func(c *cluster) {
				if err := c.Tracker().Delete(leases, "shop", ourLease.Name); err != nil {
					c.t.Fatal(err)
				}
				c.change(paymentsVS, func(obj *unstructured.Unstructured) { obj.SetAnnotations(nil) })
				c.change(ourFilter, func(obj *unstructured.Unstructured) {
					obj.SetAnnotations(map[string]string{annotationPrefix + testRun: `{"until":`})
				})
			},
			[]string{"EnvoyFilter stale: nothing tells until when", "VirtualService stale: nothing tells until when"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, payments, paymentsRoutes)
				before := c.content(paymentsVS)
				c.inject(callerFault, upstreamFault).die()
				test.change(c)
				in := c.injector()
				expectStates(t, mustLeftovers(t, in), test.want...)
				began := time.Now()
				done, err := in.RevertStale(t.Context())
				if err != nil || len(done) != len(test.want) || time.Since(began) > time.Second {
					t.Errorf("%v, %v after %s", done, err, time.Since(began))
				}
				if got := c.content(paymentsVS); got != before && got != "gone" || c.get(ourFilter) != nil {
					t.Errorf("left %s, %v", got, c.get(ourFilter))
				}
				if lease := c.get(ourLease); lease != nil && isLeaseOf(lease, testRun) {
					t.Errorf("left %v", lease)
				}
			})
		})
	}
}

// TestALeaseWithoutMarks is what a process leaves that dies right after it
// created its Lease.
func TestALeaseWithoutMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments)
		in := c.injector()
		plan := c.plan(in, testRun, upstreamFault)
		injection := in.newInjection(t.Context(), plan)
		if err := injection.claim(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		expectStates(t, mustLeftovers(t, in, "shop"), "Lease live: ")
		injection.die()
		<-time.After(time.Minute)
		found := mustLeftovers(t, in, "shop")
		expectStates(t, found, "Lease silent: ")
		if l := found[0]; l.Ref != ourLease || l.Run != testRun || l.By != testBy || !l.Created || l.Note != "" || !l.Until.Equal(plan.Until) {
			t.Errorf("%+v", l)
		}
		done, err := in.RevertStale(t.Context(), "shop")
		if err != nil || len(done) != 1 || c.get(ourLease) != nil {
			t.Errorf("%v, %v, left %v", done, err, c.get(ourLease))
		}
	})
}

// TestRevertRunInItsNamespaces may read and write only where the run is.
func TestRevertRunInItsNamespaces(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	before := c.content(paymentsVS)
	c.inject(callerFault, upstreamFault).die()
	elsewhere := func(_, namespace, name string) error {
		if namespace != "shop" {
			return forbidden(Ref{kindVirtualService, namespace, name})
		}
		return nil
	}
	c.before = elsewhere
	c.setLeaseHooks(elsewhere, nil)
	in := c.injector()
	var left *NotRevertedError
	if err := in.RevertRun(t.Context(), testRun); !errors.As(err, &left) || len(left.Refs) > 0 ||
		!strings.Contains(err.Error(), "NOT REVERTED: run 7f3a may still have its mark on objects that could not be read") {
		t.Errorf("in all namespaces: %v", err)
	}
	if err := in.RevertRun(t.Context(), testRun, "shop"); err != nil {
		t.Fatal(err)
	}
	if c.content(paymentsVS) != before || c.get(ourFilter) != nil || c.get(ourLease) != nil {
		t.Errorf("left %s, %v, %v", c.content(paymentsVS), c.get(ourFilter), c.get(ourLease))
	}
	var unknown *UnknownRunError
	if err := in.RevertRun(t.Context(), testRun, "shop"); !errors.As(err, &unknown) {
		t.Errorf("%v, want an *UnknownRunError", err)
	}
}

// TestALeaseElsewhere judges a mark whose Lease is in another namespace.
func TestALeaseElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := strings.ReplaceAll(payments, "namespace: shop", "namespace: bank")
		c := newCluster(t, payments, other)
		in := c.injector()
		inBank := upstreamFault
		inBank.On.Namespace = "bank"
		plan, err := in.Plan(t.Context(), testRun, []Fault{upstreamFault, inBank}, BlastRadius{}, in.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		injection, err := in.Inject(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		found := mustLeftovers(t, in, "bank")
		expectStates(t, found, "EnvoyFilter live: its Lease shop/faultline-7f3a was renewed")
		if found[0].Lease != (Ref{}) {
			t.Errorf("a Lease that was not looked at goes too: %s", found[0].Lease)
		}
		injection.die()
		<-time.After(time.Minute)
		c.setLeaseHooks(func(_, namespace, _ string) error {
			if namespace == "shop" {
				return forbidden(ourLease)
			}
			return nil
		}, nil)
		expectStates(t, mustLeftovers(t, in, "bank"), "EnvoyFilter live: its Lease shop/faultline-7f3a cannot be read, so only its time can end it")
		if done, err := in.RevertStale(t.Context(), "bank"); err != nil || len(done) > 0 {
			t.Errorf("reverted %v, %v", done, err)
		}
		c.setLeaseHooks(nil, nil)
		done, err := in.RevertStale(t.Context(), "bank")
		if err != nil || len(done) != 1 || c.get(ourLease) == nil || c.get(ourFilter) == nil {
			t.Errorf("reverted %v, %v; want what is in bank alone", done, err)
		}
		done, err = in.RevertStale(t.Context(), "shop", "bank")
		if err != nil || len(done) != 1 || c.get(ourLease) != nil || c.get(ourFilter) != nil {
			t.Errorf("reverted %v, %v; left %v", done, err, c.get(ourLease))
		}
	})
}

// TestTheReaperSeesNothing gets no answer while it watches: that is no sign of
// death.
func TestTheReaperSeesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments)
		injection := c.inject(upstreamFault)
		injection.die()
		<-time.After(time.Minute)
		in := c.injector()
		found := mustLeftovers(t, in)
		began := time.Now()
		c.setLeaseHooks(func(string, string, string) error {
			if time.Since(began) > 3*time.Second && time.Since(began) < 20*time.Second {
				return errLost
			}
			return nil
		}, nil)
		if err := in.observe(t.Context(), found); err != nil {
			t.Error(err)
		}
		expectStates(t, found, "EnvoyFilter stale: its Lease shop/faultline-7f3a was watched for 10s and not renewed")
		if took := time.Since(began); took < 20*time.Second {
			t.Errorf("it was judged after %s, unseen", took)
		}
		if err := injection.Revert(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestClockOfTheClientDoesNotMatter goes through a server that dates its answers
// an hour from this machine's time: marks and Leases are in the server's time,
// and another machine judges them by it.
func TestClockOfTheClientDoesNotMatter(t *testing.T) {
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			c := newCluster(t, payments)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
				w.WriteHeader(http.StatusNotFound)
			}))
			defer server.Close()
			dated := func() *Injector {
				in := c.injector()
				real, err := New(&rest.Config{Host: server.URL})
				if err != nil {
					t.Fatal(err)
				}
				in.clock = real.clock
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := in.clock.watch(http.DefaultTransport).RoundTrip(request)
				if err != nil {
					t.Fatal(err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Fatal(err)
				}
				http.DefaultTransport.(*http.Transport).CloseIdleConnections()
				return in
			}
			in := dated()
			injection, err := in.Inject(t.Context(), c.plan(in, testRun, upstreamFault))
			if err != nil {
				t.Fatal(err)
			}
			expectStates(t, mustLeftovers(t, dated()), "EnvoyFilter live: its Lease shop/faultline-7f3a was renewed less than 10s ago")
			if h := heartbeatOf(c.get(ourLease), testRun); (time.Until(h.at) - off).Abs() > 5*time.Second {
				t.Errorf("renewed at %s, which is not the server's time", h.at)
			}
			if err := injection.Revert(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTheReaperIsInterrupted ends before it is known whether a run is dead: what
// was not found out is left, and told.
func TestTheReaperIsInterrupted(t *testing.T) {
	tests := map[string]struct {
		trouble error // of reading the Lease
		ends    bool  // the context does
		after   time.Duration
		want    string // in the error; "" for none
	}{
		"by its context":         {ends: true, after: 4 * time.Second, want: "whether these are stale was not found out, so they were left (context deadline exceeded):\n  EnvoyFilter shop/faultline.7f3a"},
		"by an API server away":  {trouble: errLost, after: watchBudget, want: "(1m30s have passed):\n  EnvoyFilter shop/faultline.7f3a: run 7f3a by ada@ci/1"},
		"by the loss of a right": {trouble: forbidden(ourLease), after: 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, payments)
				injection := c.inject(upstreamFault)
				injection.die()
				<-time.After(time.Minute)
				in := c.injector()
				ctx, cancel := context.WithCancel(t.Context())
				if test.ends {
					ctx, cancel = context.WithTimeout(t.Context(), test.after)
				}
				defer cancel()
				c.setLeaseHooks(func(verb, _, _ string) error {
					if verb == "get" {
						return test.trouble
					}
					return nil
				}, nil)
				began := time.Now()
				done, err := in.RevertStale(ctx)
				if len(done) > 0 || (err != nil) != (test.want != "") || test.want != "" && !strings.Contains(err.Error(), test.want) {
					t.Errorf("reverted %v, %v; want %q", done, err, test.want)
				}
				if took := time.Since(began); took != test.after {
					t.Errorf("after %s, want %s", took, test.after)
				}
				c.setLeaseHooks(nil, nil)
				if err := injection.Revert(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestTheLeaseStaysWithAFaultThatCannotBeReverted from outside.
func TestTheLeaseStaysWithAFaultThatCannotBeReverted(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	c.inject(callerFault, upstreamFault).die()
	c.before = func(verb, _, _ string) error {
		if verb == "delete" {
			return forbidden(ourFilter)
		}
		return nil
	}
	in := c.injector()
	var left *NotRevertedError
	if err := in.RevertRun(t.Context(), testRun); !errors.As(err, &left) || len(left.Refs) != 1 || left.Lease != ourLease {
		t.Errorf("%v, want NOT REVERTED for the filter, with the Lease", err)
	}
	if c.get(ourLease) == nil || carries(c.get(paymentsVS), testRun) {
		t.Errorf("Lease %v, VirtualService %s", c.get(ourLease), c.content(paymentsVS))
	}
}
