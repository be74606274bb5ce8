package experiments

import (
	"context"
	"time"

	"k8s.io/client-go/rest"
)

// T is what [Test] needs of a test: *testing.T, *testing.B and Ginkgo's
// GinkgoT() all have it.
type T interface {
	Helper()
	Name() string
	Context() context.Context
	Cleanup(func())
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Test runs e against the cluster that config reaches and fails t unless the
// verdict is [Held]; the report is in the failure's text, and returned for
// further expectations. Every fault is taken out before Test returns. When t has
// a deadline (go test -timeout), the experiment is cut short early enough to do
// so: at the deadline itself go test would end the process without any cleanup.
func Test(t T, config *rest.Config, e Experiment, options ...Option) *Report {
	t.Helper()
	options = append([]Option{WithProgress(func(event Event) {
		t.Helper()
		if !event.Again {
			t.Logf("%s: %s", event.Step, event.Text)
		}
	})}, options...)
	runner, err := NewRunner(config, options...)
	if err != nil {
		t.Fatalf("%s: %v", t.Name(), err)
		return nil
	}
	ctx, cancel := beforeDeadline(t, runner.revert)
	defer cancel()
	report, err := runner.Run(ctx, e)
	switch {
	case err != nil:
		t.Fatalf("%s: %v", e.Title, err)
	case report.Verdict != Held:
		t.Errorf("%s", report)
	default:
		t.Logf("%s", report)
	}
	return report
}

// beforeDeadline leaves the revert its whole budget before t's deadline.
func beforeDeadline(t T, revert time.Duration) (context.Context, context.CancelFunc) {
	limited, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return context.WithCancel(t.Context())
	}
	deadline, ok := limited.Deadline()
	if !ok {
		return context.WithCancel(t.Context())
	}
	return context.WithDeadlineCause(t.Context(), deadline.Add(-revert-time.Second), errTestDeadline)
}

type deadlineError struct{}

// errTestDeadline is the cause when a test's deadline cuts an experiment short.
var errTestDeadline error = deadlineError{}

// Error says what to do about it.
func (deadlineError) Error() string {
	return "the test's deadline is near, and the rest of the time is for taking the faults out; raise go test -timeout"
}
