package experiments

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
)

// What these tests cannot have is proxies: that a fault gets to them, fires and
// goes is proven on a real mesh (internal/e2e).

const (
	inventoryService = `
apiVersion: v1
kind: Service
metadata: {name: inventory, namespace: shop}
spec: {selector: {app: inventory}, ports: [{name: http, port: 80}]}
`
	inventoryRoutes = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: inventory, namespace: shop}
spec: {hosts: [inventory], http: [{route: [{destination: {host: inventory}}]}]}
`
)

// target is a service that answers, and tells what it was asked with.
type target struct {
	*httptest.Server
	status atomic.Int64
	run    atomic.Value // the last x-faultline-run
}

func newTarget(t *testing.T) *target {
	t.Helper()
	s := &target{}
	s.status.Store(http.StatusOK)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.run.Store(r.Header.Get(injector.HeaderRun))
		w.WriteHeader(int(s.status.Load()))
	}))
	t.Cleanup(s.Close)
	return s
}

// experiment is a short one on the target, without faults.
func (s *target) experiment() Experiment {
	return Experiment{
		Name: "short", Title: "the target answers", Load: loadgen.Load{URL: s.URL, Rate: 200},
		SteadyState: []Matcher{allGood}, Settle: 50 * time.Millisecond, Duration: 50 * time.Millisecond, Recovery: 50 * time.Millisecond,
	}
}

// faulted is that with a fault on inventory.
func (s *target) faulted() Experiment {
	e := s.experiment()
	e.Faults = []injector.Fault{callerFault}
	return e
}

// allGood holds when every request was answered with a success.
var allGood = matches(func(actual any) (bool, error) {
	load := actual.(Phase).Load
	if load.Requests() == 0 {
		return false, noSamples(true)
	}
	rate, _ := load.SuccessRate()
	return rate == 1, nil
})

// onStep calls f when a run comes to a step for the first time.
func onStep(step string, f func()) Option {
	done := false
	return WithProgress(func(e Event) {
		if e.Step == step && !done {
			done = true
			f()
		}
	})
}

func TestRunWithoutFaults(t *testing.T) {
	target := newTarget(t)
	var steps []string
	runner := newFakeAPI(t).runner(t, WithProgress(func(e Event) {
		if !slices.Contains(steps, e.Step) {
			steps = append(steps, e.Step)
		}
		if e.Run == "" || e.Text == "" {
			t.Errorf("an event without its run or text: %+v", e)
		}
	}))
	report, err := runner.Run(t.Context(), target.experiment())
	if err != nil {
		t.Fatal(err)
	}
	if report.Verdict != Held || report.Reason != "all 3 checks held" || !report.Clean || len(report.Objects) != 0 {
		t.Errorf("got:\n%s", report)
	}
	if want := []string{"plan", BaselinePhase, DuringPhase, RecoveryPhase, "verdict"}; !slices.Equal(steps, want) {
		t.Errorf("steps %q, want %q", steps, want)
	}
	if got := target.run.Load(); got != report.Run {
		t.Errorf("requests carried run %q, want %q", got, report.Run)
	}
	last := time.Time{}
	for _, p := range report.Phases() {
		if n := p.Load.Requests(); n != 10 {
			t.Errorf("%s: %d requests, want 10", p.Name, n)
		}
		if p.From.Before(last) || !p.To.After(p.From) {
			t.Errorf("%s goes from %s to %s, the phase before to %s", p.Name, p.From, p.To, last)
		}
		last = p.To
	}
}

// Every list of matchers is asked about its own phases, the particular ones first.
func TestWhichMatchersJudgeWhichPhase(t *testing.T) {
	e := newTarget(t).experiment()
	asked := map[string]string{}
	matcher := func(list string) []Matcher {
		return []Matcher{matches(func(actual any) (bool, error) {
			asked[actual.(Phase).Name] += " " + list
			return true, nil
		})}
	}
	e.SteadyState, e.Healthy, e.During, e.Recovered = matcher("steadyState"), matcher("healthy"), matcher("during"), matcher("recovered")
	if _, err := newFakeAPI(t).runner(t).Run(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		BaselinePhase: " healthy steadyState", DuringPhase: " during steadyState", RecoveryPhase: " recovered healthy steadyState",
	}
	for phase, lists := range want {
		if asked[phase] != lists {
			t.Errorf("%s was judged by%s, want%s", phase, asked[phase], lists)
		}
	}
}

func TestRunTellsADeviation(t *testing.T) {
	target := newTarget(t)
	runner := newFakeAPI(t).runner(t, onStep(DuringPhase, func() { target.status.Store(http.StatusBadGateway) }))
	report, err := runner.Run(t.Context(), target.experiment())
	if err != nil || report.Verdict != Deviated || report.Reason != "during: Expected it to match" {
		t.Errorf("got %v\n%s", err, report)
	}
}

func TestRunIsInterrupted(t *testing.T) {
	for _, step := range []string{BaselinePhase, DuringPhase, RecoveryPhase} {
		t.Run(step, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			runner := newFakeAPI(t).runner(t, onStep(step, func() { cancel(errors.New("somebody stopped the run")) }))
			report, err := runner.Run(ctx, newTarget(t).experiment())
			if err != nil {
				t.Fatal(err)
			}
			if report.Verdict != Inconclusive || !strings.HasPrefix(report.Reason, "the run was not completed: somebody stopped the run") || !report.Clean {
				t.Errorf("got:\n%s", report)
			}
		})
	}
}

// What cannot be done is an error before anything is written.
func TestRunRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Experiment)
		refuse func(*http.Request) int
		want   string
		input  bool
	}{
		{
			name: "a service that is not there", change: func(e *Experiment) { e.Faults[0].On.Name = "nobody" }, input: true,
			want: `experiment "the target answers": refused: faults[0].on: there is no Service shop/nobody`,
		},
		{
			name: "a gateway that is not there", change: func(e *Experiment) { e.Gateway = "shop/gateway" }, input: true,
			want: `experiment "the target answers": gateway: Service shop/gateway: `,
		},
		{
			name: "leftovers that cannot be listed", want: "leftovers: ",
			refuse: func(r *http.Request) int { return forbid(r, "envoyfilters") },
		},
		{
			name: "proxies that cannot be listed", want: "find proxies: list Pods of Namespace shop: ",
			refuse: func(r *http.Request) int { return forbid(r, "pods") },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			api := newFakeAPI(t, inventoryService, inventoryRoutes)
			api.refuse = test.refuse
			e := newTarget(t).faulted()
			if test.change != nil {
				test.change(&e)
			}
			report, err := api.runner(t).Run(t.Context(), e)
			if report != nil || err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v, %v; want an error that begins with %q", report, err, test.want)
			}
			if _, isInput := errors.AsType[*InputError](err); isInput != test.input {
				t.Errorf("is it the input that is wrong? %t, want %t", isInput, test.input)
			}
			if api.written() != "" {
				t.Errorf("written: %s", api.written())
			}
		})
	}
}

func forbid(r *http.Request, resource string) int {
	if strings.HasSuffix(r.URL.Path, "/"+resource) {
		return http.StatusForbidden
	}
	return 0
}

// A plan is what a run would write, and writes nothing. Its faults are stale only
// after the longest that a run can take.
func TestPlan(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	runner := api.runner(t, WithBarrierBudget(time.Minute), WithRevertBudget(2*time.Minute))
	e := newTarget(t).faulted()
	e.Duration, e.Load.Timeout = time.Hour, time.Minute
	before := time.Now()
	plan, err := runner.Plan(t.Context(), e)
	if err != nil || len(plan.Edits) != 1 || plan.Edits[0].Ref.String() != "VirtualService shop/inventory" {
		t.Fatalf("got %+v, %v", plan, err)
	}
	longest := calmBudget + time.Hour + 2*time.Minute + 3*time.Minute
	if left := plan.Until.Sub(before); left < longest || left > longest+2*time.Minute {
		t.Errorf("stale after %s, want a little more than %s", left, longest)
	}
	if api.written() != "" {
		t.Errorf("written: %s", api.written())
	}
	e.Faults = nil
	if plan, err := runner.Plan(t.Context(), e); err != nil || len(plan.Edits) != 0 || plan.Run == "" {
		t.Errorf("without faults: %+v, %v", plan, err)
	}
}

func TestNewRunnerWithoutACluster(t *testing.T) {
	config := newFakeAPI(t).config()
	config.Host = "http://a host"
	if _, err := NewRunner(config); err == nil {
		t.Error("a configuration that leads nowhere is taken")
	}
}

func TestNamespaces(t *testing.T) {
	bank := callerFault
	bank.On.Namespace = "bank"
	tests := []struct {
		experiment Experiment
		want       string
	}{
		{Experiment{}, ""},
		{Experiment{Faults: []injector.Fault{callerFault, upstreamFault, bank}}, "bank shop"},
		{Experiment{BlastRadius: injector.BlastRadius{Namespaces: []string{"web", "shop"}}}, "shop web"},
		{Experiment{Faults: []injector.Fault{bank}, BlastRadius: injector.BlastRadius{Namespaces: []string{"shop", "bank"}}}, "bank shop"},
	}
	for _, test := range tests {
		trial := &trial{experiment: test.experiment}
		if got := strings.Join(trial.namespaces(), " "); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestSeparate(t *testing.T) {
	other := errors.New("context canceled")
	left := &injector.NotRevertedError{Run: "7f3a", Cause: errors.New("forbidden")}
	if interrupted, notReverted := separate(nil); interrupted != nil || notReverted != nil {
		t.Errorf("of nil: %v, %v", interrupted, notReverted)
	}
	if interrupted, notReverted := separate(other); !errors.Is(interrupted, other) || notReverted != nil {
		t.Errorf("of another: %v, %v", interrupted, notReverted)
	}
	if interrupted, notReverted := separate(errors.Join(other, left)); !errors.Is(interrupted, other) || !errors.Is(notReverted, left) {
		t.Errorf("of both: %v, %v", interrupted, notReverted)
	}
}

func TestPause(t *testing.T) {
	if err := pause(t.Context(), time.Nanosecond); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("somebody stopped the run")
	cancel(stopped)
	if err := pause(ctx, time.Hour); !errors.Is(err, stopped) {
		t.Errorf("got %v, want the cause", err)
	}
}
