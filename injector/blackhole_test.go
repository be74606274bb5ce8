package injector

import (
	"slices"
	"testing"
)

// The ServiceEntry of a blackhole comes before its routes and goes after them,
// also when another process takes the run out; a ramp does not touch it.
func TestBlackholeOrder(t *testing.T) {
	hole := callerFault
	hole.Effect, hole.Ramp = Blackhole{Percent: 100}, []float64{25}
	for _, byLeftovers := range []bool{false, true} {
		c := newCluster(t, payments, paymentsRoutes)
		before := c.content(paymentsVS)
		in := c.injector()
		injection, err := in.Inject(t.Context(), c.plan(in, testRun, hole))
		if err != nil {
			t.Fatal(err)
		}
		if err := injection.Step(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if found, err := in.Leftovers(t.Context()); err != nil || len(found) != 2 || !found[0].Created || found[0].Note != "" {
			t.Errorf("leftovers %v, %v", found, err)
		}
		if byLeftovers {
			err = in.RevertRun(t.Context(), testRun)
		} else {
			err = injection.Revert(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"create shop/faultline-7f3a-0", "update shop/payments", "update shop/payments",
			"update shop/payments", "delete shop/faultline-7f3a-0",
		}
		if !slices.Equal(c.writes, want) {
			t.Errorf("writes %q, want %q", c.writes, want)
		}
		if got := c.content(paymentsVS); got != before {
			t.Errorf("reverted to\n%s\nwant\n%s", got, before)
		}
	}
}
