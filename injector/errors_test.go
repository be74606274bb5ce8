package injector

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestRefusedError(t *testing.T) {
	one := &RefusedError{Reasons: []Reason{{"faults[0].on", "is missing"}}}
	if got, want := one.Error(), "refused: faults[0].on: is missing"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	two := &RefusedError{Reasons: []Reason{{"a", "b"}, {"c", "d"}}}
	if got, want := two.Error(), "refused for 2 reasons:\n  a: b\n  c: d"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if refused(nil) != nil {
		t.Error("no reason is an error")
	}
}

func TestNotRevertedError(t *testing.T) {
	cause := errors.New("no route to host")
	err := &NotRevertedError{
		Run:   testRun,
		Refs:  []Ref{ourFilter, {kindVirtualService, "shop", "faultline-7f3a-orders"}, paymentsVS},
		Cause: cause,
	}
	want := `NOT REVERTED: run 7f3a may still have its mark on EnvoyFilter shop/faultline.7f3a, VirtualService shop/faultline-7f3a-orders, VirtualService shop/payments
finish with:
  faultline revert --run 7f3a
  kubectl -n shop delete envoyfilters.networking.istio.io faultline.7f3a
  kubectl -n shop delete virtualservices.networking.istio.io faultline-7f3a-orders
  kubectl -n shop get virtualservices.networking.istio.io payments -o json | jq 'del(.spec.http[]? | select((.name // "") | test("^faultline-7f3a-[0-9]+$"))) | del(.metadata.annotations["faultline.dev/run.7f3a"], .metadata.labels["faultline.dev/faulted"])' | kubectl replace -f -
because: no route to host`
	if got := err.Error(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is not wrapped")
	}
	label := &NotRevertedError{Refs: []Ref{paymentsVS}, Cause: cause}
	want = `NOT REVERTED: a run that nothing names may still have its mark on VirtualService shop/payments
finish with:
  faultline revert --all
  kubectl -n shop label virtualservices.networking.istio.io payments faultline.dev/faulted-
because: no route to host`
	if got := label.Error(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// TestRevertByHand runs the jq program of the kubectl fallback: it must do what
// reverting does.
func TestRevertByHand(t *testing.T) {
	jq, err := exec.LookPath("jq")
	if err != nil {
		t.Skip("needs jq on PATH")
	}
	plan, err := planOf(t, []Fault{callerFault}, BlastRadius{}, payments, paymentsRoutes)
	if err != nil {
		t.Fatal(err)
	}
	marked := plan.Edits[0].After
	_, program, _ := strings.Cut(kubectlRevert(paymentsVS, testRun), "jq '")
	program, _, _ = strings.Cut(program, "' | kubectl")
	cmd := exec.CommandContext(t.Context(), jq, program)
	cmd.Stdin = strings.NewReader(asJSON(t, marked.Object))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	byHand := &unstructured.Unstructured{}
	if err := json.Unmarshal(out, &byHand.Object); err != nil {
		t.Fatal(err)
	}
	dropEmptyMaps(byHand)
	if got, want := asJSON(t, byHand.Object), asJSON(t, mustWithout(t, marked, testRun).Object); got != want {
		t.Errorf("by hand\n%s\nwant\n%s", got, want)
	}
}

func TestUnknownRunError(t *testing.T) {
	err := &UnknownRunError{Run: "beef"}
	if got, want := err.Error(), `no VirtualService, EnvoyFilter, ServiceEntry or Lease carries a mark of run "beef"`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRefResource(t *testing.T) {
	_, err := Ref{"Gateway", "shop", "g"}.resource()
	if err == nil || err.Error() != "Gateway shop/g: faultline edits only VirtualService, EnvoyFilter and ServiceEntry" {
		t.Errorf("%v", err)
	}
}

func TestRefCreator(t *testing.T) {
	tests := map[Ref]string{
		{kindVirtualService, "shop", "faultline-7f3a-payments"}: "7f3a",
		{kindVirtualService, "shop", "faultline-7f3a"}:          "",
		{kindVirtualService, "shop", "faultline.7f3a"}:          "",
		{kindVirtualService, "shop", "faultline-notes-x"}:       "",
		{kindVirtualService, "shop", "my-faultline-7f3a-x"}:     "",
		{kindEnvoyFilter, "shop", "faultline.7f3a"}:             "7f3a",
		{kindEnvoyFilter, "shop", "faultline.7f3a-12"}:          "7f3a",
		{kindEnvoyFilter, "shop", "faultline.7f3a-x"}:           "",
		{kindEnvoyFilter, "shop", "faultline-7f3a-x"}:           "",
	}
	for ref, want := range tests {
		if got := ref.creator(); got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}

// TestIsWhole deletes nothing of users that came with a mark of ours.
func TestIsWhole(t *testing.T) {
	const mark = `{"until":"2026-01-02T15:10:00Z","by":"a","sha":"x"`
	tests := map[string]struct {
		name, annotation string
		want             bool
	}{
		"ours":                                {"faultline-7f3a-payments", mark + `,"created":true}`, true},
		"ours, with a broken mark":            {"faultline-7f3a-payments", "?", true},
		"ours, though somebody's mark denies": {"faultline-7f3a-payments", mark + "}", true},
		"a user's, with our mark":             {"payments", mark + `,"created":true}`, false},
		"a user's, with a broken mark":        {"payments", "?", false},
		"another run's, with this one's":      {"faultline-beef-payments", mark + `,"created":true}`, false},
		"a user's, edited as it should be ":   {"payments", mark + "}", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			obj := decodeOne(t, "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {namespace: shop, name: "+test.name+"}}")
			obj.SetAnnotations(map[string]string{annotationPrefix + testRun: test.annotation})
			if got := isWhole(obj, testRun); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}
