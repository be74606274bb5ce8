// The time that a run takes beyond the phases that were asked for.

package experiments

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Overhead is the time that a run took beyond its phases: what the framework
// itself costs, and what it had to wait for in the mesh.
type Overhead struct {
	Total time.Duration // from the begin of the run to its end, less the phases as they were asked for
	Steps []StepTime    // of which the steps take, in the order in which they began first
}

// StepTime is the time that one step of a run took, all its turns together.
type StepTime struct {
	Step string // such as "plan", "barrier" or "evidence"
	Took time.Duration
}

// String lists the steps: "312ms: plan 80ms, barrier 60ms".
func (o Overhead) String() string {
	var steps []string
	for _, s := range o.Steps {
		if took := s.Took.Round(time.Millisecond); took > 0 {
			steps = append(steps, fmt.Sprintf("%s %s", s.Step, took))
		}
	}
	text := o.Total.Round(time.Millisecond).String()
	if len(steps) > 0 {
		text += ": " + strings.Join(steps, ", ")
	}
	return text
}

func (o Overhead) json() map[string]string {
	if o.Total == 0 {
		return nil
	}
	out := map[string]string{"total": o.Total.String()}
	for _, s := range o.Steps {
		out[s.Step] = s.Took.String()
	}
	return out
}

// stopwatch takes the times of steps. The zero value is ready. Safe for concurrent
// use.
type stopwatch struct {
	mu    sync.Mutex
	steps []StepTime
	asked time.Duration // of phases that took at least as long
}

// start begins a turn of a step, which ends when the returned function is called.
func (w *stopwatch) start(step string) (stop func()) {
	began := time.Now()
	return func() { w.add(step, time.Since(began)) }
}

func (w *stopwatch) add(step string, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := range w.steps {
		if w.steps[n].Step == step {
			w.steps[n].Took += took
			return
		}
	}
	w.steps = append(w.steps, StepTime{step, took})
}

// phase notes a phase of so long that took so long with all that belongs to it.
func (w *stopwatch) phase(asked, took time.Duration) {
	w.add("answers and counters", max(0, took-asked))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked += min(asked, took)
}

// overhead sums up a run that took so long.
func (w *stopwatch) overhead(took time.Duration) Overhead {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Overhead{Total: max(0, took-w.asked), Steps: append([]StepTime(nil), w.steps...)}
}
