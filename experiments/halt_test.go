package experiments

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

// What these tests cannot have is proxies: that halting works in them is proven
// with istiod stopped by the script halt of cmd/faultline.

const haltFlag = `
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: faultline-halt, namespace: shop}
spec: {holderIdentity: ada@laptop, acquireTime: "2026-01-02T15:04:05.000000Z"}
`

// In a halted namespace nothing begins, and that is no mistake of the experiment.
func TestAHaltedNamespace(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes, haltFlag)
	target := newTarget(t)
	ran, errRun := api.runner(t).Run(t.Context(), target.faulted())
	held, errHold := api.runner(t).Hold(t.Context(), target.faulted(), time.Hour)
	if errRun != nil || errHold != nil {
		t.Fatal(errRun, errHold)
	}
	for _, report := range []*Report{ran, held} {
		if report.Verdict != Halted || !strings.HasPrefix(report.Reason, "halted: namespace shop has the halt flag since 2026-01-02T15:04:05Z, set by \"ada@laptop\"") {
			t.Errorf("got:\n%s", report)
		}
		if !report.Clean || target.run.Load() != nil {
			t.Errorf("clean %t, requests of run %v", report.Clean, target.run.Load())
		}
	}
	if api.written() != "" {
		t.Errorf("written: %s", api.written())
	}
	if report, err := api.runner(t).Run(t.Context(), target.experiment()); err != nil || report.Verdict != Held {
		t.Errorf("without faults: %v\n%s", err, report)
	}
}

func TestHoldRefuses(t *testing.T) {
	target := newTarget(t)
	noTitle := target.faulted()
	noTitle.Title = ""
	for want, test := range map[string]struct {
		experiment Experiment
		length     time.Duration
	}{
		"faults: there is none to hold":    {target.experiment(), time.Minute},
		"hold for 0s: want a time above 0": {target.faulted(), 0},
		"title: ":                          {noTitle, time.Minute},
	} {
		report, err := newFakeAPI(t, inventoryService, inventoryRoutes).runner(t).Hold(t.Context(), test.experiment, test.length)
		if _, isInput := errors.AsType[*InputError](err); !isInput || report != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, %v; want %q", report, err, want)
		}
	}
}

// A fault that no proxy shows is not held, whatever the time is, and taken out.
func TestHoldOfAFaultThatReachesNobody(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	before := api.content(t)
	report, err := api.runner(t).Hold(t.Context(), newTarget(t).faulted(), time.Hour)
	if err != nil || report.Verdict != Inconclusive || !report.Clean || !strings.HasPrefix(report.Reason, "no proxy is known to show the fault") {
		t.Errorf("got %v\n%s", err, report)
	}
	if after := api.content(t); after != before {
		t.Errorf("left:\n%s", after)
	}
}

func TestJudgeHold(t *testing.T) {
	reached := Convergence{Proxies: 2, Max: 30 * time.Millisecond}
	late := Convergence{Proxies: 2, Late: []string{"Pod shop/a-1 still shows it"}}
	for _, test := range []struct {
		report      Report
		halted      string
		interrupted error
		verdict     Verdict
		reason      string
	}{
		{Report{Injected: reached, Reverted: reached}, "", nil, Held, "in force on 2 proxies after 30ms, for 5s"},
		{Report{Injected: late}, "", nil, Inconclusive, "1 of 2 proxies did not show the fault in time"},
		{Report{Injected: reached, Reverted: late}, "", nil, Inconclusive, "1 of 2 proxies did not drop the fault in time"},
		{Report{Injected: reached}, "halted: namespace shop", nil, Halted, "halted: namespace shop"},
		{Report{Injected: reached}, "", &injector.EvictedError{}, Inconclusive, "the run was not completed: evicted: "},
	} {
		verdict, reason := judgeHold(outcome{Report: &test.report, halted: test.halted, interrupted: test.interrupted}, 5*time.Second)
		if verdict != test.verdict || !strings.HasPrefix(reason, test.reason) {
			t.Errorf("got %s: %s; want %s: %s", verdict, reason, test.verdict, test.reason)
		}
	}
}

// living puts a fault into api that somebody looks after, until the test is over.
func living(t *testing.T, api *fakeAPI) {
	t.Helper()
	in, err := injector.New(api.config())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := in.Plan(t.Context(), "71ce", []injector.Fault{callerFault}, injector.BlastRadius{}, in.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	injection, err := in.Inject(t.Context(), plan)
	t.Cleanup(func() { _ = injection.Revert(context.WithoutCancel(t.Context())) }) // it is reverted by then, or the test says so
	if err != nil {
		t.Fatal(err)
	}
}

// flagged says whether the halt flag is set in shop.
func flagged(api *fakeAPI) bool {
	api.mu.Lock()
	defer api.mu.Unlock()
	return api.objects["/apis/coordination.k8s.io/v1/namespaces/shop/leases/faultline-halt"] != nil
}

// Halt reverts also what is alive and flags the namespace; Release takes the flag
// off.
func TestHaltAndRelease(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	before := api.content(t)
	living(t, api)
	runner := api.runner(t)
	report, err := runner.Halt(t.Context(), "shop")
	if err != nil || len(report.Reverted) != 1 || report.Reverted[0].Ref.String() != "VirtualService shop/inventory" || report.Proxies != 0 {
		t.Errorf("got %+v, %v", report, err)
	}
	if after := api.content(t); after != before {
		t.Errorf("left:\n%s", after)
	}
	if !flagged(api) {
		t.Error("there is no flag")
	}
	if report, err := runner.Run(t.Context(), newTarget(t).faulted()); err != nil || report.Verdict != Halted {
		t.Errorf("a run began: %v\n%s", err, report)
	}
	if report, err := runner.Release(t.Context(), "shop"); err != nil || len(report.Reverted) != 0 {
		t.Errorf("got %+v, %v", report, err)
	}
	if flagged(api) {
		t.Error("the flag is there still")
	}
}

// What cannot be reverted is told, and keeps Release from letting faults on again.
func TestHaltThatCannotRevert(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	var broken atomic.Bool
	api.refuse = func(r *http.Request) int {
		if broken.Load() && r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/inventory") {
			return http.StatusForbidden
		}
		return 0
	}
	living(t, api)
	broken.Store(true)
	for name, do := range map[string]func() (*HaltReport, error){
		"halt":    func() (*HaltReport, error) { return api.runner(t).Halt(t.Context(), "shop") },
		"release": func() (*HaltReport, error) { return api.runner(t).Release(t.Context(), "shop") },
	} {
		report, err := do()
		left, ok := errors.AsType[*injector.NotRevertedError](err)
		if !ok || left.Run != "71ce" || len(report.Reverted) != 0 {
			t.Errorf("%s: got %+v, %v", name, report, err)
		}
	}
	if !flagged(api) {
		t.Error("the flag went though a fault is left")
	}
	broken.Store(false)
}

// A flag that cannot be set, and proxies that cannot be listed, do not keep the
// rest from being done.
func TestHaltGoesOnWhateverFails(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	before := api.content(t)
	var broken atomic.Bool
	api.refuse = func(r *http.Request) int {
		if !broken.Load() {
			return 0
		}
		if r.Method == http.MethodPost || strings.HasSuffix(r.URL.Path, "/pods") {
			return http.StatusForbidden
		}
		return 0
	}
	living(t, api)
	broken.Store(true)
	report, err := api.runner(t).Halt(t.Context(), "shop")
	if err == nil || !strings.Contains(err.Error(), "halt namespace shop: ") || !strings.Contains(err.Error(), "find proxies: ") {
		t.Errorf("got %v", err)
	}
	if len(report.Reverted) != 1 || api.content(t) != before {
		t.Errorf("reverted %v, left\n%s", report.Reverted, api.content(t))
	}
}
