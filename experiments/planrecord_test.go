package experiments

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A run that was planned is refused when what the plan follows from has changed,
// and nothing is written.
func TestARunIsAsItWasPlanned(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	e := newTarget(t).faulted()
	runner := api.runner(t)
	plan, err := runner.Plan(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	record := plan.Record(e, "faultline.dev/v1alpha1", "v1", "abc")
	again, err := runner.Plan(t.Context(), e)
	if err != nil || again.Run == plan.Run || record.unchanged(e, again) != nil {
		t.Errorf("nothing changed, and it is another plan: %v, %v", err, record.unchanged(e, again))
	}
	api.change(t, func(vs *unstructured.Unstructured) {
		vs.Object["spec"].(map[string]any)["hosts"] = []any{"inventory", "other"}
	})
	report, err := runner.RunPlanned(t.Context(), e, record)
	if report != nil || !errors.As(err, new(*InputError)) || !strings.Contains(err.Error(), "VirtualService shop/inventory is not as it was") {
		t.Errorf("it was run all the same: %v\n%s", err, report)
	}
	if written := api.written(); written != "" {
		t.Errorf("written: %s", written)
	}
}

func TestARecordDiffers(t *testing.T) {
	record := PlanRecord{Spec: PlanRecordSpec{Faultline: "v1", Experiment: "abc"}}
	if err := record.Differs("v1", "abc"); err != nil {
		t.Error(err)
	}
	err := record.Differs("v2", "abd")
	if want := "the experiment is not as it was\nthe plan was made by faultline v1, and this is v2"; err == nil || err.Error() != want {
		t.Errorf("found %v, want %s", err, want)
	}
}
