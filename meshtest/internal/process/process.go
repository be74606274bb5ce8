package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// pollEvery is how often [Process.Ready] asks its probe.
const pollEvery = 10 * time.Millisecond

// lastLines is how much of a log an [ExitError] quotes.
const lastLines = 12

// Process is a started child. Safe for concurrent use.
type Process struct {
	name, log, record string

	cmd      *exec.Cmd
	out      *os.File // the log
	started  time.Time
	done     chan struct{}
	err      error // of cmd.Wait; read after done
	stopping atomic.Bool
}

// ExitError says that a process ended although nobody asked it to.
type ExitError struct {
	Name   string        // for example "istiod"
	Status string        // for example "exit status 1"
	After  time.Duration // how long it ran
	Ready  bool          // whether it had become ready
	Log    string        // its last log lines
}

// Error names the process, its status and its last words.
func (e *ExitError) Error() string {
	when := "before ready"
	if e.Ready {
		when = "while in use"
	}
	return fmt.Sprintf("%s: ended with %s after %.1fs, %s; last log lines:\n%s",
		e.Name, e.Status, e.After.Seconds(), when, indent(e.Log))
}

// Pid returns the child's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exited returns an [ExitError] when the child has ended without [Process.Stop],
// else nil.
func (p *Process) Exited() error {
	select {
	case <-p.done:
		if p.stopping.Load() {
			return nil
		}
		return p.exitError(true)
	default:
		return nil
	}
}

// Ready asks probe every 10 ms until it returns nil. An exit of the child fails
// at once with an [ExitError]; when ctx ends, the error carries what probe said
// last.
func (p *Process) Ready(ctx context.Context, probe func(context.Context) error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return p.exitError(false)
		case <-ctx.Done():
			return fmt.Errorf("%s: not ready after %.1fs: %w; last answer: %w; last log lines:\n%s",
				p.name, time.Since(p.started).Seconds(), context.Cause(ctx), err, indent(Tail(p.log, lastLines)))
		case <-tick.C:
		}
	}
}

// Stop ends the child: SIGTERM, and SIGKILL to its whole group when it is still
// there after grace. It waits for the end; stopping twice, or after an exit, is
// a no-op.
func (p *Process) Stop(grace time.Duration) error {
	p.stopping.Store(true)
	if grace > 0 {
		p.signal(syscall.SIGTERM)
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-p.done:
		case <-timer.C:
		}
	}
	p.signal(syscall.SIGKILL)
	<-p.done
	if err := os.Remove(p.record); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: record: %w", p.name, err)
	}
	return nil
}

// signal reaches the group. An error means that nobody is left to signal.
func (p *Process) signal(sig syscall.Signal) {
	_ = syscall.Kill(-p.Pid(), sig) // ESRCH is the wanted state
}

func (p *Process) wait() {
	p.err = errors.Join(p.cmd.Wait(), p.out.Close())
	close(p.done)
}

func (p *Process) exitError(ready bool) error {
	status := "exit status 0"
	if p.err != nil {
		status = p.err.Error()
	}
	return &ExitError{
		Name: p.name, Status: status, After: time.Since(p.started),
		Ready: ready, Log: Tail(p.log, lastLines),
	}
}

// Tail returns the last n lines of a file, or why they cannot be read.
func Tail(file string, n int) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	lines := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	for i, line := range lines {
		if _, text, ok := cutStamp(line); ok {
			lines[i] = text
		}
	}
	return strings.Join(lines, "\n")
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(text, "\n", "\n    ")
}
