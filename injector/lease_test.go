package injector

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

var ourLease = Ref{kindLease, "shop", "faultline-" + testRun}

// forbidden is the API server's answer to whoever lacks a right.
func forbidden(ref Ref) error {
	resource, _ := ref.resource()
	return apierrors.NewForbidden(resource.GroupResource(), ref.Name, errors.New("no right"))
}

// inject injects faults as testRun.
func (c *cluster) inject(faults ...Fault) *Injection {
	c.t.Helper()
	in := c.injector()
	injection, err := in.Inject(c.t.Context(), c.plan(in, testRun, faults...))
	if err != nil {
		c.t.Fatal(err)
	}
	return injection
}

func TestThePlanNamesItsLease(t *testing.T) {
	plan, err := planOf(t, []Fault{upstreamFault, callerFault}, BlastRadius{}, payments, paymentsRoutes)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Lease != ourLease {
		t.Errorf("%s, want %s", plan.Lease, ourLease)
	}
	for _, edit := range plan.Edits {
		if m, _, err := markOf(edit.After, testRun); err != nil || m.Lease != "shop/faultline-7f3a" || m.V != 1 {
			t.Errorf("%s: mark %+v, %v", edit.Ref, m, err)
		}
	}
	if none, err := planOf(t, nil, BlastRadius{}); err != nil || none.Lease != (Ref{}) {
		t.Errorf("a plan without edits has Lease %v, %v", none.Lease, err)
	}
}

func TestTheLeaseIsThereBeforeAndAfterTheEdits(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	c.before = func(verb, _, name string) error {
		if verb != "get" && verb != "list" && c.get(ourLease) == nil {
			t.Errorf("%s %s without a Lease", verb, name)
		}
		return nil
	}
	c.setLeaseHooks(func(verb, _, _ string) error {
		if vs := c.get(paymentsVS); verb == "delete" && (carries(vs, testRun) || c.get(ourFilter) != nil) {
			t.Error("the Lease went before the edits")
		}
		return nil
	}, nil)
	injection := c.inject(callerFault, upstreamFault)
	lease := c.get(ourLease)
	if got := lease.GetLabels(); got[labelRun] != testRun || got[labelFaulted] != "true" {
		t.Errorf("labels %v", got)
	}
	spec := at[object](lease.Object, "spec")
	if spec["holderIdentity"] != testBy || spec["leaseDurationSeconds"] != int64(10) || spec["acquireTime"] != spec["renewTime"] {
		t.Errorf("spec %v", spec)
	}
	if h := heartbeatOf(lease, testRun); time.Since(h.at).Abs() > 5*time.Second || !h.until.After(time.Now()) {
		t.Errorf("heartbeat %+v", h)
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := c.leaseHistory(), []string{"create shop/faultline-7f3a", "delete shop/faultline-7f3a"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestInjectDoesNotTakeANameThatIsInUse finds somebody else's Lease under the
// name of its own: nothing is written, and the Lease stays.
func TestInjectDoesNotTakeANameThatIsInUse(t *testing.T) {
	tests := map[string]string{
		"another run's": `
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: faultline-7f3a, namespace: shop, labels: {faultline.dev/run: 7f3a, faultline.dev/faulted: "true"}}
spec: {holderIdentity: eve@ci/2, acquireTime: "2026-01-02T15:00:00.000000Z"}`,
		"a stranger's": `
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: faultline-7f3a, namespace: shop}
spec: {holderIdentity: eve@ci/2, acquireTime: "2026-01-02T15:00:00.000000Z"}`,
	}
	for name, lease := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, payments, paymentsRoutes, lease)
			in := c.injector()
			injection, err := in.Inject(t.Context(), c.plan(in, testRun, callerFault))
			want := `inject run 7f3a: Lease shop/faultline-7f3a exists already, held by "eve@ci/2" since 2026-01-02T15:00:00.000000Z`
			if err == nil || !strings.HasPrefix(err.Error(), want) || !apierrors.IsAlreadyExists(err) {
				t.Errorf("%v\nwant %s", err, want)
			}
			if err := injection.Revert(t.Context()); err != nil {
				t.Error(err)
			}
			if len(c.writes) > 0 || len(c.leaseHistory()) > 0 {
				t.Errorf("writes %q %q, want none", c.writes, c.leaseHistory())
			}
		})
	}
}

// TestAClaimInTrouble makes the creation of the Lease fail in each way: no edit
// is made, and whatever came of it is gone after Revert.
func TestAClaimInTrouble(t *testing.T) {
	tests := map[string]struct{ before, after error }{
		"refused":                 {before: forbidden(ourLease)},
		"lost on the way there":   {before: errLost},
		"lost on the way back":    {after: errLost},
		"timed out, and was done": {after: apierrors.NewTimeoutError("slow", 1)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, payments, paymentsRoutes)
				in := c.injector()
				only := func(err error) hook {
					return func(verb, _, _ string) error {
						if verb != "create" {
							return nil
						}
						return err
					}
				}
				c.setLeaseHooks(only(test.before), only(test.after))
				injection, err := in.Inject(t.Context(), c.plan(in, testRun, callerFault))
				if want := errors.Join(test.before, test.after); err == nil || !strings.HasSuffix(err.Error(), want.Error()) {
					t.Errorf("%v, want %v", err, want)
				}
				if (c.get(ourLease) != nil) != (test.after != nil) {
					t.Errorf("the Lease is %v", c.get(ourLease))
				}
				if err := injection.Revert(t.Context()); err != nil {
					t.Error(err)
				}
				if c.get(ourLease) != nil || len(c.writes) > 0 {
					t.Errorf("left %v, writes %q", c.get(ourLease), c.writes)
				}
			})
		})
	}
}

// TestAWriteThatIsToldTwice answers the first try of each creation as if a
// proxy had sent it a second time: what is there already is ours.
func TestAWriteThatIsToldTwice(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	before := c.content(paymentsVS)
	c.setLeaseHooks(nil, func(verb, _, name string) error {
		if verb == "create" {
			return apierrors.NewAlreadyExists(leases.GroupResource(), name)
		}
		return nil
	})
	updates := 0
	c.after = func(verb, _, name string) error {
		switch verb {
		case "create":
			return apierrors.NewAlreadyExists(envoyFilters.GroupResource(), name)
		case "update":
			if updates++; updates == 1 {
				return apierrors.NewConflict(virtualServices.GroupResource(), name, errors.New("newer"))
			}
		}
		return nil
	}
	injection := c.inject(callerFault, upstreamFault)
	if len(injection.Edits()) != 2 || updates != 1 {
		t.Errorf("%d edits, %d updates; want 2 and 1", len(injection.Edits()), updates)
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.content(paymentsVS) != before || c.get(ourFilter) != nil || c.get(ourLease) != nil {
		t.Errorf("left %s, %v, %v", c.content(paymentsVS), c.get(ourFilter), c.get(ourLease))
	}
}

func TestTheLeaseStaysWhenTheRevertFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, payments)
		injection := c.inject(upstreamFault)
		c.before = func(verb, _, _ string) error {
			if verb == "delete" {
				return forbidden(ourFilter)
			}
			return nil
		}
		if err := injection.Revert(t.Context()); err == nil {
			t.Error("Revert says all is clean")
		}
		lease := c.get(ourLease)
		if lease == nil {
			t.Fatal("the Lease is gone, though the fault is not")
		}
		renewed := heartbeatOf(lease, testRun).renewed
		<-time.After(30 * time.Second) // in which a keeper would renew
		if now := heartbeatOf(c.get(ourLease), testRun).renewed; now != renewed {
			t.Errorf("it is still renewed: %s, then %s", renewed, now)
		}
		c.before = nil
		if err := injection.Revert(t.Context()); err != nil || c.get(ourLease) != nil {
			t.Errorf("the second Revert: %v, Lease %v", err, c.get(ourLease))
		}
	})
}

func TestWithLeaseDuration(t *testing.T) {
	c := newCluster(t)
	for d, want := range map[time.Duration]bool{
		3 * time.Second: true, time.Minute: true,
		2 * time.Second: false, 61 * time.Second: false, 3500 * time.Millisecond: false, 0: false, -time.Second: false,
	} {
		in, err := NewForClient(c, WithLeaseDuration(d))
		if (err == nil) != want || err == nil && in.leaseDuration != d {
			t.Errorf("%s: %v, want accepted: %v", d, err, want)
		}
	}
}

func TestHeartbeatOfAnEditedLease(t *testing.T) {
	for spec, want := range map[string]time.Duration{
		"{leaseDurationSeconds: 3}":    3 * time.Second,
		"{leaseDurationSeconds: 9999}": DefaultLeaseDuration,
		"{leaseDurationSeconds: -1}":   DefaultLeaseDuration,
		"{renewTime: yesterday}":       DefaultLeaseDuration,
		"{}":                           DefaultLeaseDuration,
	} {
		h := heartbeatOf(decodeOne(t, "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: x}, spec: "+spec+"}"), testRun)
		if h.duration != want || !h.at.IsZero() || !h.until.IsZero() {
			t.Errorf("%s: %+v, want duration %s and no times", spec, h, want)
		}
	}
}

// rename gives the Lease another holder.
func rename(lease *unstructured.Unstructured) {
	at[object](lease.Object, "spec")["holderIdentity"] = "eve@ci/2"
}
