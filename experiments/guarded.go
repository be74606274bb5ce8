package experiments

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/faultline-mesh/faultline/experiments/internal/guard"
	"github.com/faultline-mesh/faultline/injector"
)

// guardBudget is for a guard to be ready, at the end of a baseline in which it
// had time enough.
const guardBudget = 5 * time.Second

// startGuard starts the guard of a run that is going to write. It costs no time:
// the guard gets ready while the baseline runs. A run without one goes on: what
// becomes of its faults then is told, and its Lease still tells others.
func (t *trial) startGuard() {
	if len(t.plan.Edits) == 0 {
		return
	}
	if !guard.Enabled() {
		guard.OnceUnable(func() {
			t.guardSays("hint: no guard watches over this process; let TestMain call experiments.Main(m), and a fault is " +
				"taken out within a second even after kill -9")
		})
		return
	}
	started, err := guard.Start(t.config, guard.Task{
		Run: t.report.Run, Namespaces: t.written(), Silence: injector.DefaultLeaseDuration,
	}, os.Stderr, t.guardSays)
	if err != nil {
		t.noGuard(err)
		return
	}
	t.guard = started
}

// awaitGuard returns when the guard can be relied on, or it is told that it
// cannot.
func (t *trial) awaitGuard(ctx context.Context) {
	if t.guard == nil {
		return
	}
	defer t.watch.start("guard")()
	ctx, cancel := context.WithTimeout(ctx, guardBudget)
	defer cancel()
	if err := t.guard.Ready(ctx); err != nil {
		t.noGuard(err)
	}
}

func (t *trial) noGuard(why error) {
	t.guardSays(fmt.Sprintf("hint: no guard watches over this run (%v); if this process is killed, its faults stay until "+
		"the next run there, or `faultline revert --expired`, finds that its Lease is not renewed", why))
}

func (t *trial) guardSays(text string) {
	t.log.Warn("guard", "run", t.report.Run, "says", text)
	t.tell("guard", text)
}

// written are the namespaces of the objects that the plan writes.
func (t *trial) written() []string {
	namespaces := []string{t.plan.Lease.Namespace}
	for _, edit := range t.plan.Edits {
		namespaces = append(namespaces, edit.Ref.Namespace)
	}
	return distinct(namespaces)
}
