package injector

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	k8stesting "k8s.io/client-go/testing"
)

// dropRoutes takes all routes of runs out of a VirtualService, as a GitOps
// controller does that applies its manifest again.
func dropRoutes(vs *unstructured.Unstructured) {
	at[object](vs.Object, "spec")["http"] = removeRoutes(at[[]any](vs.Object, "spec", "http"), testRun)
}

// evictions are what others do to a run, and what is said about it.
var evictions = map[string]struct {
	ref  Ref
	do   func(c *cluster)
	want string
}{
	"a manifest is applied again": {
		paymentsVS, func(c *cluster) {
			c.change(paymentsVS, func(vs *unstructured.Unstructured) {
				dropRoutes(vs)
				vs.SetAnnotations(nil)
				at[object](vs.Object, "metadata")["managedFields"] = []any{
					object{"manager": "argocd", "time": "2026-01-02T15:05:00Z", "operation": "Apply"},
					object{"manager": "kubectl", "time": "2026-01-01T15:05:00Z", "operation": "Update"},
					object{"manager": "faultline", "time": "2026-01-03T15:05:00Z", "operation": "Update"},
				}
			})
		},
		`nothing of the run is left (last changed by "argocd")`,
	},
	"the mark is removed": {
		paymentsVS, func(c *cluster) {
			c.change(paymentsVS, func(vs *unstructured.Unstructured) { vs.SetAnnotations(nil) })
		},
		"the mark of the run is gone, which says how to undo it",
	},
	"the routes are removed": {
		paymentsVS, func(c *cluster) { c.change(paymentsVS, dropRoutes) },
		`the run's routes are [], not ["faultline-7f3a-0" "faultline-7f3a-1"]`,
	},
	"the routes change places": {
		paymentsVS, func(c *cluster) {
			c.change(paymentsVS, func(vs *unstructured.Unstructured) {
				routes := at[[]any](vs.Object, "spec", "http")
				routes[0], routes[2] = routes[2], routes[0]
			})
		},
		`the run's routes are ["faultline-7f3a-1" "faultline-7f3a-0"], not ["faultline-7f3a-0" "faultline-7f3a-1"]`,
	},
	"a fault is changed": {
		paymentsVS, func(c *cluster) {
			c.change(paymentsVS, func(vs *unstructured.Unstructured) { delete(objectsAt(vs.Object, "spec", "http")[0], "fault") })
		},
		"what the run put in was changed",
	},
	"the VirtualService is deleted": {
		paymentsVS, func(c *cluster) {
			if err := c.Tracker().Delete(virtualServices, "shop", "payments"); err != nil {
				c.t.Fatal(err)
			}
		},
		"it was deleted",
	},
	"and made again as it was": {
		paymentsVS, func(c *cluster) {
			vs := c.get(paymentsVS)
			if err := c.Tracker().Delete(virtualServices, "shop", "payments"); err != nil {
				c.t.Fatal(err)
			}
			c.add(vs)
		},
		"it was deleted",
	},
	"the EnvoyFilter is deleted": {
		ourFilter, func(c *cluster) {
			if err := c.Tracker().Delete(envoyFilters, "shop", ourFilter.Name); err != nil {
				c.t.Fatal(err)
			}
		},
		"it was deleted",
	},
	"the EnvoyFilter is changed": {
		ourFilter, func(c *cluster) {
			c.change(ourFilter, func(filter *unstructured.Unstructured) { at[object](filter.Object, "spec")["priority"] = int64(1) })
		},
		"what the run put in was changed",
	},
}

// expectEviction waits for the end of ctx, which is to come within a second.
func expectEviction(ctx context.Context, t *testing.T, ref Ref, want string) {
	t.Helper()
	began := time.Now()
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
	}
	evicted, ok := errors.AsType[*EvictedError](context.Cause(ctx))
	if !ok || evicted.Ref != ref || evicted.Run != testRun || !strings.Contains(evicted.Error(), want) {
		t.Errorf("%v\nwant %s: %s", context.Cause(ctx), ref, want)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("noticed after %s", took)
	}
}

func TestAnEvictionEndsTheRun(t *testing.T) {
	for name, test := range evictions {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, payments, paymentsRoutes)
				injection := c.inject(callerFault, upstreamFault)
				ctx, cancel := injection.Context(t.Context())
				defer cancel()
				synctest.Wait()
				test.do(c)
				left := c.content(test.ref)
				expectEviction(ctx, t, test.ref, test.want)
				if now := c.content(test.ref); now != left {
					t.Errorf("it was fought:\n%s\nwant\n%s", now, left)
				}
				if err := injection.Revert(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestAnEvictionWhileNobodyWatches is noticed by reading the objects: before the
// watch begins, or where watches are forbidden, or between two.
func TestAnEvictionWhileNobodyWatches(t *testing.T) {
	ways := map[string]func(c *cluster) (unwatched func()){
		"before the watch begins": nil,
		"watches are forbidden": func(c *cluster) func() {
			c.PrependWatchReactor("*", func(k8stesting.Action) (bool, watch.Interface, error) {
				return true, nil, forbidden(paymentsVS)
			})
			return func() {}
		},
		"the watch is lost": func(c *cluster) func() {
			var watches []*watch.FakeWatcher
			c.PrependWatchReactor("*", func(k8stesting.Action) (bool, watch.Interface, error) {
				watches = append(watches, watch.NewFake()) // which sees nothing
				return true, watches[len(watches)-1], nil
			})
			return func() {
				for _, w := range watches {
					w.Stop()
				}
			}
		},
		"the watch ends in an error": func(c *cluster) func() {
			var watches []*watch.FakeWatcher
			c.PrependWatchReactor("*", func(k8stesting.Action) (bool, watch.Interface, error) {
				watches = append(watches, watch.NewFakeWithChanSize(1, false))
				return true, watches[len(watches)-1], nil
			})
			return func() {
				for _, w := range watches {
					w.Error(&unstructured.Unstructured{Object: object{"kind": "Status", "apiVersion": "v1", "code": int64(410)}})
				}
			}
		},
	}
	for way, unwatch := range ways {
		for name, test := range evictions {
			if name == "and made again as it was" {
				continue // which only a watch can see
			}
			t.Run(way+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCluster(t, payments, paymentsRoutes)
					lose := func() {}
					if unwatch != nil {
						lose = unwatch(c)
					}
					injection := c.inject(callerFault, upstreamFault)
					if unwatch == nil {
						test.do(c)
					}
					ctx, cancel := injection.Context(t.Context())
					defer cancel()
					synctest.Wait()
					if unwatch != nil {
						if ctx.Err() != nil {
							t.Fatalf("ended before: %v", context.Cause(ctx))
						}
						test.do(c)
						lose()
					}
					want, _, _ := strings.Cut(test.want, " (")
					expectEviction(ctx, t, test.ref, want)
					if err := injection.Revert(t.Context()); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// TestNoEviction does what others may do beside a run, and what the run does
// itself.
func TestNoEviction(t *testing.T) {
	tests := map[string]func(t *testing.T, c *cluster, injection *Injection){
		"nothing": func(*testing.T, *cluster, *Injection) {},
		"a user adds a route": func(_ *testing.T, c *cluster, _ *Injection) {
			c.change(paymentsVS, func(vs *unstructured.Unstructured) {
				spec := at[object](vs.Object, "spec")
				spec["http"] = append([]any{object{"name": "new"}}, at[[]any](spec, "http")...)
			})
		},
		"a user changes a route": func(_ *testing.T, c *cluster, _ *Injection) {
			c.change(paymentsVS, func(vs *unstructured.Unstructured) { objectsAt(vs.Object, "spec", "http")[1]["timeout"] = "3s" })
		},
		"an annotation comes": func(_ *testing.T, c *cluster, _ *Injection) {
			c.change(ourFilter, func(filter *unstructured.Unstructured) { filter.SetAnnotations(withNote(filter)) })
		},
		"another run comes and goes": func(t *testing.T, c *cluster, _ *Injection) {
			t.Helper()
			in := c.injector()
			other, err := in.Inject(t.Context(), c.plan(in, "beef", callerFault, upstreamFault))
			if err != nil {
				t.Fatal(err)
			}
			if err := other.Revert(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"another object of the kind is deleted": func(_ *testing.T, c *cluster, _ *Injection) {
			other := c.get(ourFilter).DeepCopy()
			other.SetName("other")
			c.add(other)
			if err := c.Tracker().Delete(envoyFilters, "shop", "other"); err != nil {
				c.t.Fatal(err)
			}
		},
		"a bookmark, and nonsense": func(_ *testing.T, c *cluster, _ *Injection) {
			c.PrependWatchReactor("*", func(k8stesting.Action) (bool, watch.Interface, error) {
				w := watch.NewFakeWithChanSize(2, false)
				w.Action(watch.Bookmark, &unstructured.Unstructured{Object: object{"kind": kindVirtualService}})
				w.Action(watch.Modified, nil)
				return true, w, nil
			})
		},
		"the run reverts": func(t *testing.T, _ *cluster, injection *Injection) {
			t.Helper()
			if err := injection.Revert(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, do := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, payments, paymentsRoutes)
				injection := c.inject(callerFault, upstreamFault)
				if name == "a bookmark, and nonsense" {
					do(t, c, injection)
				}
				ctx, cancel := injection.Context(t.Context())
				defer cancel()
				synctest.Wait()
				do(t, c, injection)
				<-time.After(10 * time.Second)
				if ctx.Err() != nil {
					t.Errorf("ended: %v", context.Cause(ctx))
				}
				if err := injection.Revert(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestOurOwnNextWriteIsNoEviction writes a watched object once more.
func TestOurOwnNextWriteIsNoEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments, paymentsRoutes)
		in := c.injector()
		injection, err := in.Inject(t.Context(), c.plan(in, testRun, callerFault))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := injection.Context(t.Context())
		defer cancel()
		synctest.Wait()
		for range 3 {
			edit := injection.Edits()[0]
			if err := injection.place(t.Context(), edit); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(5 * time.Second)
		if ctx.Err() != nil {
			t.Errorf("ended: %v", context.Cause(ctx))
		}
		c.change(paymentsVS, dropRoutes)
		expectEviction(ctx, t, paymentsVS, "the run's routes are []")
		writes := len(c.writes)
		if err := injection.place(t.Context(), injection.Edits()[0]); !errors.As(err, new(*EvictedError)) || len(c.writes) != writes {
			t.Errorf("a write after the eviction: %v, writes %q", err, c.writes)
		}
		if err := injection.Revert(t.Context()); err != nil {
			t.Error(err)
		}
		if err := injection.place(t.Context(), injection.Edits()[0]); err == nil {
			t.Error("something was written after the revert")
		}
	})
}

// TestAStepIsNoEviction climbs a ramp on watched objects, of both kinds; what
// comes from the past of the watch is no eviction either.
func TestAStepIsNoEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments, paymentsRoutes)
		in := c.injector()
		injection, err := in.Inject(t.Context(), c.plan(in, testRun, rising()...))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := injection.Context(t.Context())
		defer cancel()
		synctest.Wait()
		for n := 1; n <= 2; n++ {
			if err := injection.Step(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			if n == 1 {
				<-time.After(5 * time.Second)
			}
		}
		<-time.After(5 * time.Second)
		if ctx.Err() != nil {
			t.Errorf("ended: %v", context.Cause(ctx))
		}
		c.change(ourFilter, func(filter *unstructured.Unstructured) {
			at[object](filter.Object, "spec")["configPatches"] = []any{}
		})
		expectEviction(ctx, t, ourFilter, "what the run put in was changed")
		if err := injection.Revert(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestNothingIsPutBack evicts the first edit of an object before the second is
// written: planning again would bring back what was taken out.
func TestNothingIsPutBack(t *testing.T) {
	service := strings.ReplaceAll(payments, "ports: [{name: http, port: 80, targetPort: 8080}]",
		"ports: [{name: http, port: 80}, {name: grpc, port: 90}]")
	c := newCluster(t, service, paymentsRoutes)
	before := c.content(paymentsVS)
	in := c.injector()
	first, second := callerFault, callerFault
	first.On.Port, second.On.Port = 80, 90
	plan := c.plan(in, testRun, first, second)
	c.after = func(verb, _, _ string) error {
		if verb == "update" && len(c.writes) == 1 {
			c.change(paymentsVS, func(vs *unstructured.Unstructured) {
				dropRoutes(vs)
				vs.SetAnnotations(nil)
				unmark(vs, testRun)
				unstructured.RemoveNestedField(vs.Object, "metadata", "annotations")
			})
		}
		return nil
	}
	injection, err := in.Inject(t.Context(), plan)
	if _, ok := errors.AsType[*EvictedError](err); !ok || len(c.writes) != 1 || c.content(paymentsVS) != before {
		t.Errorf("%v, writes %q, and there is\n%s", err, c.writes, c.content(paymentsVS))
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestWhatARevertDoesIsNoEviction, also when its event comes before the watch has
// ended.
func TestWhatARevertDoesIsNoEviction(t *testing.T) {
	c := newCluster(t, payments)
	injection := c.inject(upstreamFault)
	if injection.verdict(ourFilter, nil, true) == nil {
		t.Error("a deletion by others is none either")
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if evicted := injection.verdict(ourFilter, nil, true); evicted != nil {
		t.Error(evicted)
	}
}

func TestContextOfNothing(t *testing.T) {
	var none *Injection
	ctx, cancel := none.Context(t.Context())
	if ctx.Err() != nil {
		t.Error(ctx.Err())
	}
	if cancel(); ctx.Err() == nil {
		t.Error("cancel does not end it")
	}
	parent, stop := context.WithCancelCause(t.Context())
	ctx, cancel = none.Context(parent)
	defer cancel()
	if stop(errLost); !errors.Is(context.Cause(ctx), errLost) {
		t.Errorf("%v, want the parent's cause", context.Cause(ctx))
	}
}
