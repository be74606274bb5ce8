package injector

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestFaultsWithoutAnyMark takes label and annotation off what a run wrote: it is
// found by what it is, and taken out.
func TestFaultsWithoutAnyMark(t *testing.T) {
	hole := Fault{On: onPayments, Site: Caller, Effect: Blackhole{Percent: 100}}
	for name, f := range map[string]Fault{"routes": callerFault, "a filter": upstreamFault, "a blackhole": hole} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, payments, paymentsRoutes)
			before := c.content(decodedRef(t, paymentsRoutes))
			in := c.injector()
			injection, err := in.Inject(t.Context(), c.plan(in, testRun, f))
			if err != nil {
				t.Fatal(err)
			}
			for _, edit := range injection.Edits() {
				c.change(edit.Ref, func(obj *unstructured.Unstructured) {
					obj.SetLabels(nil)
					obj.SetAnnotations(nil)
				})
			}
			found := mustLeftovers(t, in, "shop")
			if want := len(injection.Edits()); len(found) < want {
				t.Fatalf("found %v, want %d", found, want)
			}
			if err := in.RevertRun(t.Context(), testRun); err != nil {
				t.Fatal(err)
			}
			if left := mustLeftovers(t, in, "shop"); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if got := c.content(decodedRef(t, paymentsRoutes)); got != before {
				t.Errorf("got\n%s\nwant\n%s", got, before)
			}
			if err := injection.Revert(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNamesAloneAreNoFault leaves alone what users call as we do.
func TestNamesAloneAreNoFault(t *testing.T) {
	for _, text := range []string{`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: faultline-beef-payments, namespace: shop}
spec: {hosts: [payments], http: [{name: faultline-beef-1, route: [{destination: {host: payments}}]}]}
`, `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: faultline.beef, namespace: shop}
spec: {configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 1s}}}]}
`, `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: faultline-beef-0, namespace: shop}
spec: {hosts: [beef.example.com]}
`} {
		if found := leftoversOn(decodeOne(t, text)); len(found) > 0 {
			t.Errorf("found %v", found)
		}
	}
}

func decodedRef(t *testing.T, text string) Ref {
	t.Helper()
	return refOf(decodeOne(t, text))
}
