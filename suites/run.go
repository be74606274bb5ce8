package suites

import (
	"context"
	"fmt"
	"sync"

	"github.com/onsi/ginkgo/v2"
	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/experiments"
)

// Run runs e against the cluster that config reaches, in the spec that calls it,
// and fails the spec unless the verdict is [experiments.Held]. Pass the spec's
// own context: when Ginkgo interrupts or times the spec out, every fault is taken
// out before Run returns, so leave the spec a GracePeriod of
// [experiments.DefaultRevertBudget]. The report becomes a report entry of the
// spec, shown when it fails, and Ginkgo's progress reports say how far the run is.
func Run(ctx context.Context, config *rest.Config, e experiments.Experiment, options ...experiments.Option) *experiments.Report {
	ginkgo.GinkgoHelper()
	var now step
	defer ginkgo.AttachProgressReporter(now.String)()
	options = append([]experiments.Option{experiments.WithProgress(now.set)}, options...)
	runner, err := experiments.NewRunner(config, options...)
	if err != nil {
		ginkgo.Fail(err.Error())
	}
	report, err := runner.Run(ctx, e)
	if report != nil {
		ginkgo.AddReportEntry("experiment: "+e.Title, report, ginkgo.ReportEntryVisibilityFailureOrVerbose)
	}
	switch {
	case err != nil:
		ginkgo.Fail(fmt.Sprintf("%s: %v", e.Title, err))
	case report.Verdict != experiments.Held:
		ginkgo.Fail(report.String())
	}
	return report
}

// step is what the run is doing.
type step struct {
	mu    sync.Mutex
	event experiments.Event
}

func (s *step) set(e experiments.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Step != "guard" { // which is no step of the run
		s.event = e
	}
	if !e.Again {
		ginkgo.GinkgoWriter.Printf("%s: %s\n", e.Step, e.Text)
	}
}

// String says it to Ginkgo's progress report.
func (s *step) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.event.Step == "" {
		return "the experiment has not begun"
	}
	return fmt.Sprintf("run %s is in step %q, %s left: %s", s.event.Run, s.event.Step, s.event.Left, s.event.Text)
}
