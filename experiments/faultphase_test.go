package experiments

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/faultline-mesh/faultline/injector"
)

// With a baseline that is not good nothing is written.
func TestABadBaselineWritesNothing(t *testing.T) {
	target := newTarget(t)
	target.status.Store(http.StatusNotFound)
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	report, err := api.runner(t).Run(t.Context(), target.faulted())
	if err != nil || report.Verdict != Inconclusive || report.Reason != "the baseline was not good, so nothing was injected: Expected it to match" {
		t.Errorf("got %v\n%s", err, report)
	}
	if api.written() != "" || len(report.Objects) != 0 || !report.Clean {
		t.Errorf("written: %s; objects %q, clean %t", api.written(), report.Objects, report.Clean)
	}
}

// A fault that nobody's proxy shows is taken out again, and nothing is proven.
func TestAFaultThatReachesNoProxy(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	before := api.content(t)
	var log strings.Builder
	report, err := api.runner(t, WithLogger(slog.New(slog.NewTextHandler(&log, nil)))).Run(t.Context(), newTarget(t).faulted())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"msg=inject run=" + report.Run, "msg=revert run=" + report.Run + " clean=true"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
	const reason = "no proxy is known to show the fault: no proxy knows the faulted services, so the fault can hit nobody; do their callers have a sidecar?"
	if report.Verdict != Inconclusive || report.Reason != reason {
		t.Errorf("got %s: %s\nwant Inconclusive: %s", report.Verdict, report.Reason, reason)
	}
	if got, want := api.written(), "PUT virtualservices/inventory, PUT virtualservices/inventory"; got != want {
		t.Errorf("written: %s, want %s", got, want)
	}
	if !report.Clean || !slices.Equal(report.Objects, []string{"VirtualService shop/inventory"}) {
		t.Errorf("clean %t, objects %q", report.Clean, report.Objects)
	}
	if after := api.content(t); after != before {
		t.Errorf("left:\n%s\nwant:\n%s", after, before)
	}
	if report.During.Load.Requests() != 0 || report.Recovery.Load.Requests() == 0 {
		t.Errorf("sent %d requests during the fault, %d in the recovery", report.During.Load.Requests(), report.Recovery.Load.Requests())
	}
}

// However a run ends after its first write, it has reverted.
func TestInterruptedAroundTheInjection(t *testing.T) {
	for _, step := range []string{"inject", "revert"} {
		t.Run(step, func(t *testing.T) {
			api := newFakeAPI(t, inventoryService, inventoryRoutes)
			before := api.content(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			runner := api.runner(t, onStep(step, func() { cancel(errors.New("somebody stopped the run")) }))
			report, err := runner.Run(ctx, newTarget(t).faulted())
			if err != nil || report.Verdict != Inconclusive || !report.Clean || !strings.Contains(report.Reason, "the run was not completed") {
				t.Errorf("got %v\n%s", err, report)
			}
			if after := api.content(t); after != before {
				t.Errorf("left:\n%s\nwant:\n%s", after, before)
			}
		})
	}
}

// A fault that cannot be taken out is an error, beside the report.
func TestNotReverted(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	var broken atomic.Bool
	api.refuse = func(r *http.Request) int {
		if broken.Load() && r.Method == http.MethodPut {
			return http.StatusForbidden
		}
		return 0
	}
	runner := api.runner(t, onStep("revert", func() { broken.Store(true) }))
	report, err := runner.Run(t.Context(), newTarget(t).faulted())
	var left *injector.NotRevertedError
	if !errors.As(err, &left) || len(left.Refs) != 1 || left.Run != report.Run {
		t.Fatalf("got %v", err)
	}
	if report.Clean || report.Verdict == Held || !strings.Contains(report.String(), "NOT every fault is known to be out: VirtualService shop/inventory") {
		t.Errorf("the report says:\n%s", report)
	}
}

// An injection that is refused is undone as far as it got.
func TestARefusedInjection(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	api.refuse = func(r *http.Request) int {
		if r.Method == http.MethodPut {
			return http.StatusForbidden
		}
		return 0
	}
	report, err := api.runner(t).Run(t.Context(), newTarget(t).faulted())
	if err != nil || report.Verdict != Inconclusive || !report.Clean {
		t.Fatalf("got %v\n%s", err, report)
	}
	if want := "the run was not completed: inject: inject VirtualService shop/inventory: "; !strings.HasPrefix(report.Reason, want) {
		t.Errorf("reason %q, want it to begin with %q", report.Reason, want)
	}
}

// What a run that died has left behind is reverted once it is stale, and not
// before, and only by a run that is going to write there.
func TestExpiredFaultsAreReverted(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	before := api.content(t)
	in, err := injector.New(api.config())
	if err != nil {
		t.Fatal(err)
	}
	until := in.Now().Add(time.Hour)
	plan, err := in.Plan(t.Context(), "dead", []injector.Fault{callerFault}, injector.BlastRadius{}, until)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := in.Inject(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // it is not quite dead: it renews its Lease
		if err := dead.Revert(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	target := newTarget(t)
	left := api.content(t)
	if _, err := api.runner(t).Run(t.Context(), target.faulted()); err != nil {
		t.Fatal(err)
	}
	if after := api.content(t); after != left {
		t.Errorf("the fault of a run that may live was touched:\n%s\nwant:\n%s", after, left)
	}
	api.change(t, func(obj *unstructured.Unstructured) {
		marks := obj.GetAnnotations()
		for name, mark := range marks {
			marks[name] = strings.Replace(mark, fmt.Sprint(until.UTC().Year()), "2001", 1)
		}
		obj.SetAnnotations(marks)
	})
	if _, err := api.runner(t).Run(t.Context(), target.experiment()); err != nil {
		t.Fatal(err)
	}
	if after := api.content(t); after == before {
		t.Error("a run without faults wrote")
	}
	if _, err := api.runner(t).Run(t.Context(), target.faulted()); err != nil {
		t.Fatal(err)
	}
	if after := api.content(t); after != before {
		t.Errorf("left:\n%s\nwant:\n%s", after, before)
	}
}
