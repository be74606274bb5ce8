package injector

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
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
