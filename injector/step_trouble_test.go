package injector

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestStepInTrouble makes the write of a step fail in each way: what is there is
// the old step or the new one, and the revert leaves neither.
func TestStepInTrouble(t *testing.T) {
	refusal := apierrors.NewForbidden(virtualServices.GroupResource(), "payments", errors.New("no right"))
	conflict := apierrors.NewConflict(virtualServices.GroupResource(), "payments", errors.New("old"))
	tests := map[string]struct {
		before, after error // answer of the first write of the step, not done or done
		wantErr       bool
		want          string // what the object has
	}{
		"refused":                       {before: refusal, wantErr: true, want: "1 1"},
		"a conflict":                    {before: conflict, want: "10 10"},
		"lost on the way there":         {before: errLost, wantErr: true, want: "1 1"},
		"lost on the way back":          {after: errLost, wantErr: true, want: "10 10"},
		"a conflict though it was done": {after: conflict, want: "10 10"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, payments, paymentsRoutes)
			before := c.content(paymentsVS)
			in := c.injector()
			injection, err := in.Inject(t.Context(), c.plan(in, testRun, rising()[0]))
			if err != nil {
				t.Fatal(err)
			}
			once := func(answer error) hook {
				done := false
				return func(verb, _, _ string) error {
					if verb != "update" || done {
						return nil
					}
					done = true
					return answer
				}
			}
			c.before, c.after = once(test.before), once(test.after)
			err = injection.Step(t.Context(), 1)
			if (err != nil) != test.wantErr {
				t.Errorf("%v, want an error: %t", err, test.wantErr)
			}
			var got []string
			for _, route := range objectsAt(c.get(paymentsVS).Object, "spec", "http") {
				if routeRun(route) != "" {
					got = append(got, fmt.Sprint(route["fault"].(object)["abort"].(object)["percentage"].(object)["value"]))
				}
			}
			if text := strings.Join(got, " "); text != test.want {
				t.Errorf("the object has %s, want %s", text, test.want)
			}
			c.before, c.after = nil, nil
			if err := injection.Revert(t.Context()); err != nil {
				t.Error(err)
			}
			if got := c.content(paymentsVS); got != before {
				t.Errorf("reverted to\n%s\nwant\n%s", got, before)
			}
		})
	}
}

// What somebody took out is not put back.
func TestStepDoesNotFight(t *testing.T) {
	tests := map[string]struct {
		change func(c *cluster)
		want   string
	}{
		"the routes": {
			func(c *cluster) {
				c.change(paymentsVS, func(vs *unstructured.Unstructured) { setRoutes(vs, removeRoutes(routesOf(vs), testRun)) })
			},
			`step 1 of VirtualService shop/payments: evicted: `,
		},
		"the mark of the filter": {
			func(c *cluster) {
				c.change(ourFilter, func(filter *unstructured.Unstructured) { unmark(filter, testRun) })
			},
			"step 1 of EnvoyFilter shop/faultline.7f3a: evicted: ",
		},
		"the filter": {
			func(c *cluster) {
				if err := c.Tracker().Delete(envoyFilters, ourFilter.Namespace, ourFilter.Name); err != nil {
					t.Error(err)
				}
			},
			`step 1 of EnvoyFilter shop/faultline.7f3a: read: envoyfilters.networking.istio.io "faultline.7f3a" not found`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, payments, paymentsRoutes)
			in := c.injector()
			injection, err := in.Inject(t.Context(), c.plan(in, testRun, rising()...))
			if err != nil {
				t.Fatal(err)
			}
			test.change(c)
			writes := len(c.writes)
			if err := injection.Step(t.Context(), 1); err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("%v\nwant %s…", err, test.want)
			}
			if len(c.writes) > writes+1 || name == "the routes" && len(c.writes) > writes {
				t.Errorf("it wrote %q", c.writes[writes:])
			}
			if err := injection.Step(t.Context(), 3); err == nil || !strings.HasSuffix(err.Error(), "there is none: the ramp has the steps 0 to 2") {
				t.Errorf("a step too far: %v", err)
			}
		})
	}
}

// The renderings of a step do not put back either, whoever calls them.
func TestAStepIsMadeOnlyOnTheOneBefore(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	in := c.injector()
	injection, err := in.Inject(t.Context(), c.plan(in, testRun, rising()...))
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range injection.Edits() {
		next, err := injection.next(edit, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := next.again(c.get(edit.Ref), true); err != nil {
			t.Errorf("%s: %v", edit.Ref, err)
		}
		clean := mustWithout(t, c.get(edit.Ref), testRun)
		if _, err := next.again(clean, true); !errors.Is(err, errGone) {
			t.Errorf("%s without the fault: %v", edit.Ref, err)
		}
	}
}
