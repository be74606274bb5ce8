package soak

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/experiments/manifest"
	"github.com/faultline-mesh/faultline/injector"
)

// runLimit is more than any run takes; one that does not end is a failure.
const runLimit = 2 * time.Minute

// TestSoak runs the shop's ejection experiment, every second time without the
// outlier detection that it is about. A verdict that is not Held, or Deviated, is
// false, and so is one that another run left in the log.
func TestSoak(t *testing.T) {
	j := openJournal(t, *file, *runs)
	began, did := time.Now(), 0
	for n := j.done(); n < *runs && (*most == 0 || did < *most); n++ {
		did++
		start := time.Now()
		verdict, report := soak(t, twin(n))
		e := entry{N: n + 1, Twin: twin(n), Verdict: verdict, Seconds: time.Since(start).Seconds(), Report: report}
		if !e.false() {
			e.Report = ""
		}
		j.add(t, e)
		fmt.Printf("%3d of %d  %s\n", e.N, *runs, e)
	}
	fmt.Printf("%s; this process: %d runs in %s\n", j.sum(), did, time.Since(began).Round(time.Second))
	for _, e := range j.entries {
		if e.false() {
			t.Errorf("run %d: %s\n%s", e.N, e, e.Report)
		}
	}
}

// twin tells which runs are of the sabotaged twin.
func twin(n int) bool { return n%2 == 1 }

// experiment is that of the example, with phases that are shorter, and a rate at
// which they have enough requests. The fault phase must end before the pod comes
// back, and the recovery after: baseEjectionTime 3s, and up to an interval of 1s.
func experiment(t *testing.T) experiments.Experiment {
	t.Helper()
	read, err := manifest.Load("../../examples/shop/experiments/payments-pod-fails.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e := read[0].Experiment
	e.Load.Rate = 100
	e.Settle, e.Duration, e.Recovery = 1200*time.Millisecond, 1500*time.Millisecond, 3500*time.Millisecond
	return e
}

// soak does one run. The twin loses its outlier detection after the plan was made,
// so that no check of the plan can know; it has it again when soak returns.
func soak(t *testing.T, twin bool) (verdict, report string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), runLimit, errors.New("the run does not end"))
	defer cancel()
	policy := newPolicy(t)
	defer policy.restore()
	runner, err := experiments.NewRunner(mesh.Config(), experiments.WithProgress(func(e experiments.Event) {
		if twin && e.Step == experiments.BaselinePhase {
			policy.remove()
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	r, err := runner.Run(ctx, experiment(t))
	if left := leftovers(t); left != "" {
		err = errors.Join(err, errors.New("left behind: "+left))
	}
	if err != nil {
		return "error", fmt.Sprintf("%v\n%s", err, r)
	}
	return r.Verdict.String(), r.String()
}

func leftovers(t *testing.T) string {
	t.Helper()
	in, err := injector.New(mesh.Config())
	if err != nil {
		t.Fatal(err)
	}
	left, err := in.Leftovers(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	if len(left) == 0 {
		return ""
	}
	return left[0].String()
}
