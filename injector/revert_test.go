package injector

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

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
		arrived := make(chan struct{})
		time.AfterFunc(300*time.Millisecond, func() { c.add(plan.Edits[0].After); close(arrived) })
		if err := injection.Revert(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-arrived
		if c.get(ourFilter) != nil {
			t.Errorf("%s arrived late and was left", ourFilter)
		}
	})
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
