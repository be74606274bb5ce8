// Package endings are test processes that end badly in the middle of a run. The
// tests of package e2e start them.
package endings

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
)

// TestMain has guards, unless it is told to be as one that forgot to.
func TestMain(m *testing.M) {
	if os.Getenv("UNGUARDED") != "" {
		os.Exit(m.Run())
	}
	experiments.Main(m)
}

// during calls itself when it is asked to judge the fault phase.
type during func()

func (d during) Match(actual any) (bool, error) {
	if actual.(experiments.Phase).Name == experiments.DuringPhase {
		d()
	}
	return true, nil
}
func (during) FailureMessage(any) string        { return "" }
func (during) NegatedFailureMessage(any) string { return "" }

func inventoryDown(length time.Duration, end func()) experiments.Experiment {
	return experiments.Experiment{
		Title: "inventory is down when this process ends",
		Faults: []injector.Fault{{
			On:     injector.Service{Namespace: "shop", Name: "inventory"},
			Site:   injector.Caller,
			Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
		}},
		Gateway:     "istio-system/istio-ingressgateway",
		Load:        loadgen.Load{URL: "http://shop.example/checkout", Rate: 50},
		SteadyState: []experiments.Matcher{during(end)},
		BlastRadius: injector.BlastRadius{Namespaces: []string{"shop"}},
		Settle:      300 * time.Millisecond, Duration: length, Recovery: 300 * time.Millisecond,
	}
}

// run is a run that knows no deadline.
func run(t *testing.T, e experiments.Experiment) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	runner, err := experiments.NewRunner(config, experiments.WithProgress(func(e experiments.Event) {
		if !e.Again {
			fmt.Println(e.Step+":", e.Text)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		report, err := runner.Run(context.Background(), e)
		fmt.Println(report, err)
	}
}

func TestHangs(t *testing.T) { run(t, inventoryDown(300*time.Millisecond, func() { select {} })) }

func TestKillsItself(t *testing.T) {
	run(t, inventoryDown(300*time.Millisecond, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }))
}

func TestExits(t *testing.T) { run(t, inventoryDown(300*time.Millisecond, func() { os.Exit(7) })) }

func TestPanicsElsewhere(t *testing.T) {
	run(t, inventoryDown(300*time.Millisecond, func() {
		go panic("a goroutine of the user's panics")
		select {}
	}))
}

func TestHolds(t *testing.T) { run(t, inventoryDown(300*time.Millisecond, func() {})) }

func TestIsLong(t *testing.T) { run(t, inventoryDown(time.Minute, func() {})) }

// TestInTime leaves itself to the deadline.
func TestInTime(t *testing.T) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	experiments.Test(t, config, inventoryDown(time.Minute, func() {}), experiments.WithRevertBudget(2*time.Second))
}
