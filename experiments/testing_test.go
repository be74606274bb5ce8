package experiments

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
)

// Whatever tests with has what Test needs.
var (
	_ T = (*testing.T)(nil)
	_ T = (*testing.B)(nil)
)

// recorder is a T that takes down what happens to it.
type recorder struct {
	ctx                 context.Context
	logs, errors, fatal []string
}

func (*recorder) Helper()                    {}
func (*recorder) Name() string               { return "TestShop" }
func (r *recorder) Context() context.Context { return r.ctx }
func (*recorder) Cleanup(func())             {}
func (r *recorder) Logf(format string, args ...any) {
	r.logs = append(r.logs, fmt.Sprintf(format, args...))
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = append(r.fatal, fmt.Sprintf(format, args...))
}

// limited is a recorder whose test has a deadline, or might have.
type limited struct {
	recorder
	deadline time.Time
}

func (l *limited) Deadline() (time.Time, bool) { return l.deadline, !l.deadline.IsZero() }

func TestTestOfWhatHolds(t *testing.T) {
	fake := &recorder{ctx: t.Context()}
	var told []string
	report := Test(fake, newFakeAPI(t).config(), newTarget(t).experiment())
	if len(fake.errors)+len(fake.fatal) > 0 || report == nil || report.Verdict != Held {
		t.Fatalf("errors %q, fatal %q\n%s", fake.errors, fake.fatal, report)
	}
	for _, line := range fake.logs {
		step, _, _ := strings.Cut(line, ":")
		told = append(told, step)
	}
	if got, want := strings.Join(told, " "), "plan baseline during recovery verdict Held"; got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
}

func TestTestOfWhatDeviates(t *testing.T) {
	target := newTarget(t)
	fake := &recorder{ctx: t.Context()}
	// A progress of the caller's own takes the place of the log.
	report := Test(fake, newFakeAPI(t).config(), target.experiment(),
		onStep(DuringPhase, func() { target.status.Store(http.StatusServiceUnavailable) }))
	if len(fake.errors) != 1 || !strings.HasPrefix(fake.errors[0], "Deviated: short: during: ") || len(fake.fatal)+len(fake.logs) != 0 {
		t.Errorf("errors %q, fatal %q, logs %q", fake.errors, fake.fatal, fake.logs)
	}
	if report == nil || report.Verdict != Deviated {
		t.Errorf("returned:\n%s", report)
	}
}

func TestTestOfWhatIsWrong(t *testing.T) {
	fake := &recorder{ctx: t.Context()}
	report := Test(fake, newFakeAPI(t).config(), Experiment{Title: "nothing in it"})
	if len(fake.fatal) != 1 || !strings.HasPrefix(fake.fatal[0], `nothing in it: experiment "nothing in it": steadyState: is empty`) || report != nil {
		t.Errorf("fatal %q, returned %v", fake.fatal, report)
	}
	fake = &recorder{ctx: t.Context()}
	report = Test(fake, &rest.Config{Host: "http://a host"}, newTarget(t).experiment())
	if len(fake.fatal) != 1 || !strings.HasPrefix(fake.fatal[0], "TestShop: ") || report != nil {
		t.Errorf("fatal %q, returned %v", fake.fatal, report)
	}
}

// A cluster that cannot be reached ends the test; it does not hang.
func TestTestWithoutACluster(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	fake := &recorder{ctx: ctx}
	report := Test(fake, &rest.Config{Host: "http://" + closed}, newTarget(t).faulted())
	if report != nil || len(fake.fatal) != 1 || ctx.Err() != nil {
		t.Fatalf("fatal %q, returned %v, %v", fake.fatal, report, ctx.Err())
	}
	for _, want := range []string{"the target answers: leftovers: ", closed, "connection refused"} {
		if !strings.Contains(fake.fatal[0], want) {
			t.Errorf("%q does not say %q", fake.fatal[0], want)
		}
	}
}

func TestBeforeDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		soon := time.Now().Add(time.Minute)
		ctx, cancel := beforeDeadline(&limited{recorder{ctx: t.Context()}, soon}, 30*time.Second)
		defer cancel()
		if got, _ := ctx.Deadline(); !got.Equal(soon.Add(-31 * time.Second)) {
			t.Errorf("ends %s before the test's deadline, want 31s", soon.Sub(got))
		}
		<-ctx.Done()
		if cause := context.Cause(ctx); !errors.Is(cause, errTestDeadline) || !strings.Contains(cause.Error(), "raise go test -timeout") {
			t.Errorf("ended because: %v", cause)
		}
		if left := time.Until(soon); left != 31*time.Second {
			t.Errorf("%s are left, want 31s", left)
		}
	})
}

// Without a deadline, only the test's own context ends an experiment.
func TestBeforeNoDeadline(t *testing.T) {
	for _, unlimited := range []T{&limited{recorder{ctx: t.Context()}, time.Time{}}, &recorder{ctx: t.Context()}} {
		ctx, cancel := beforeDeadline(unlimited, time.Second)
		if _, ok := ctx.Deadline(); ok || ctx.Err() != nil {
			t.Errorf("%T: it has a deadline, or has ended", unlimited)
		}
		cancel()
		if ctx.Err() == nil {
			t.Errorf("%T: cancel does not end it", unlimited)
		}
	}
}

// A test whose time is nearly up does not begin what it could not take back.
func TestTestCloseToItsDeadline(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	fake := &limited{recorder{ctx: t.Context()}, time.Now().Add(time.Second)}
	report := Test(fake, api.config(), newTarget(t).faulted())
	if report != nil || len(fake.fatal) != 1 || api.written() != "" {
		t.Errorf("fatal %q, returned %v, written %s", fake.fatal, report, api.written())
	}
}
