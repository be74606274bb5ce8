package injector

import (
	"strings"
	"testing"
)

func TestEditDiff(t *testing.T) {
	before := strings.Replace(paymentsRoutes, "namespace: shop,", `namespace: shop, uid: u, generation: 4, resourceVersion: "9", managedFields: [{manager: x}],`, 1)
	fault := callerFault
	fault.On.Port = 80
	plan, err := planOf(t, []Fault{fault}, BlastRadius{}, payments, strings.Replace(before, "{prefix: /a}", "{prefix: /a}, port: 81", 1))
	if err != nil {
		t.Fatal(err)
	}
	want := `diff VirtualService shop/payments VirtualService shop/payments
--- VirtualService shop/payments
+++ VirtualService shop/payments
@@ -1,6 +1,10 @@
 apiVersion: networking.istio.io/v1
 kind: VirtualService
 metadata:
+  annotations:
+    faultline.dev/run.7f3a: '{"v":1,"until":"2026-01-02T15:10:00Z","by":"ada@ci/1","lease":"shop/faultline-7f3a","routes":["faultline-7f3a-0"],"sha":"f47846d1deeb"}'
+  labels:
+    faultline.dev/faulted: "true"
   name: payments
   namespace: shop
 spec:
@@ -14,6 +18,26 @@
     route:
     - destination:
         host: payments
+  - fault:
+      abort:
+        httpStatus: 503
+        percentage:
+          value: 100
+    headers:
+      response:
+        set:
+          x-faultline-run: 7f3a
+    match:
+    - headers:
+        x-faultline-run:
+          exact: 7f3a
+    - headers:
+        baggage:
+          regex: (.*,)?\s*faultline-run\s*=\s*7f3a\s*([,;].*)?
+    name: faultline-7f3a-0
+    route:
+    - destination:
+        host: payments
   - route:
     - destination:
         host: payments
`
	if got := plan.Edits[0].Diff(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	same := Edit{Ref: paymentsVS, Before: plan.Edits[0].Before, After: plan.Edits[0].Before}
	if got := same.Diff(); got != "" {
		t.Errorf("nothing changes, but the diff is\n%s", got)
	}
}

func TestEditDiffOfACreatedObject(t *testing.T) {
	plan, err := planOf(t, []Fault{upstreamFault}, BlastRadius{}, payments)
	if err != nil {
		t.Fatal(err)
	}
	got := plan.Edits[0].Diff()
	if !strings.HasPrefix(got, "diff /dev/null EnvoyFilter shop/faultline.7f3a\n--- /dev/null\n") {
		t.Errorf("%s", got)
	}
	for line := range strings.Lines(got[strings.Index(got, "@@"):]) {
		if line[0] != '+' && line[0] != '@' {
			t.Errorf("line %q takes something away", line)
		}
	}
}

// TestPlanOfAnotherProcess injects a plan whose edits came without what it
// takes to plan again, as from a file: a changed object ends it.
func TestPlanOfAnotherProcess(t *testing.T) {
	edit := Edit{Ref: paymentsVS}
	if _, err := edit.again(decodeOne(t, paymentsRoutes), false); err == nil || err.Error() != "changed since it was planned" {
		t.Errorf("%v", err)
	}
}

// TestEditShownIn tells the edits of one run from each other.
func TestEditShownIn(t *testing.T) {
	routes := Edit{Marker: "faultline-7f3a-", Routes: []string{"faultline-7f3a-1", "faultline-7f3a-2"}}
	filter := Edit{Marker: "faultline.7f3a"}
	tests := map[string]struct{ routes, filter bool }{
		`{"name": "faultline-7f3a-1"}`:            {true, false},
		`{"name": "faultline-7f3a-2.my-match"}`:   {true, false},
		`{"name": "faultline-7f3a-0"}`:            {false, false},
		`{"name": "faultline-7f3a-10"}`:           {false, false},
		`{"name": "faultline.7f3a"}`:              {false, true},
		`{"name": "faultline.7f3a-2"}`:            {false, false},
		`{"name": "faultline.7f3a-2.baggage"}`:    {false, false},
		`{"headers": {"x-faultline-run":"7f3a"}}`: {false, false},
	}
	for config, want := range tests {
		if got := routes.ShownIn([]byte(config)); got != want.routes {
			t.Errorf("routes in %s: %v, want %v", config, got, want.routes)
		}
		if got := filter.ShownIn([]byte(config)); got != want.filter {
			t.Errorf("filter in %s: %v, want %v", config, got, want.filter)
		}
	}
}
