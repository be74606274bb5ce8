package guard

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/injector"
)

// Bounds of what a guard does when its parent is gone.
const (
	linger      = 5 * time.Second        // to go on looking for a write that was on its way
	lookEvery   = 200 * time.Millisecond // between two looks
	revertLimit = 2 * time.Minute        // for an API server that is away to come back
	reachLimit  = 10 * time.Second       // for the first answer of the cluster
)

// reverter is what a guard needs of an injector.Injector.
type reverter interface {
	Leftovers(ctx context.Context, namespaces ...string) ([]injector.Leftover, error)
	RevertRun(ctx context.Context, run string, namespaces ...string) error
}

// Main is what a guard does from its start to its exit; it returns the exit code.
func Main(ctx context.Context) int {
	stand()
	w := &ward{out: os.Stdout, err: os.Stderr, connect: func(config *rest.Config) (reverter, error) {
		return injector.New(config)
	}, linger: linger, look: lookEvery, limit: revertLimit, beat: beatEvery}
	return w.serve(ctx, os.Stdin)
}

// ward is the guard's own end.
type ward struct {
	out, err            io.Writer // to the parent while it listens, and to whoever reads its stderr
	connect             func(*rest.Config) (reverter, error)
	linger, look, limit time.Duration
	beat                time.Duration // of the parent

	task     Task
	reverter reverter
}

// Exit codes of a guard; nobody but a person reads them.
const (
	exitDone        = 0
	exitUseless     = 2
	exitNotReverted = 4
)

// serve does what the first message says until the last one, or the end of in.
func (w *ward) serve(ctx context.Context, in io.Reader) int {
	words := make(chan string)
	input := bufio.NewReader(in)
	message, err := input.ReadBytes('\n')
	if err != nil {
		return exitDone // the parent died before it had written anything
	}
	if err := w.begin(message); err != nil {
		w.tell("it cannot guard: %v", err)
		return exitUseless
	}
	go func() {
		defer close(words)
		for lines := bufio.NewScanner(input); lines.Scan(); {
			words <- lines.Text()
		}
	}()
	go w.reach(ctx)
	return w.watch(ctx, words)
}

// begin takes the first message.
func (w *ward) begin(message []byte) error {
	var task first
	if err := json.Unmarshal(message, &task); err != nil {
		return err
	}
	config, err := task.Connection.config()
	if err != nil {
		return err
	}
	w.task = task.Task
	w.reverter, err = w.connect(config)
	return err
}

// reach tells the parent that the cluster answers, which also makes the
// connection that is needed when there is no time to lose.
func (w *ward) reach(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	if _, err := w.reverter.Leftovers(ctx, w.task.Namespaces...); err != nil {
		w.tell("it cannot see the faults of run %s: %v", w.task.Run, err)
		return
	}
	w.tell(wordReady)
}

// watch waits for the parent to end, to die or to stop. Silence is counted in
// ticks: when this process was stopped too, they do not pile up.
func (w *ward) watch(ctx context.Context, words <-chan string) int {
	tick := time.NewTicker(w.beat)
	defer tick.Stop()
	limit := int(w.task.Silence / w.beat)
	stopped := false
	for silent := 0; ; {
		select {
		case word, alive := <-words:
			switch {
			case !alive:
				w.say("the process of run %s is gone: taking its faults out", w.task.Run)
				return w.revert(ctx)
			case word == wordEnd:
				return exitDone
			case stopped: // it goes on, perhaps in the middle of a write
				w.revert(ctx)
			}
			silent, stopped = 0, false
		case <-tick.C:
			if silent++; silent == limit {
				stopped = true
				w.say("the process of run %s has stopped for %s: taking its faults out", w.task.Run, w.task.Silence)
				w.revert(ctx)
			}
		}
	}
}

// revert takes the run out of the mesh, and keeps looking whether some more of it
// arrives: a write of the parent may still have been on its way.
func (w *ward) revert(ctx context.Context) int {
	ctx, cancel := context.WithTimeoutCause(ctx, w.limit, fmt.Errorf("the guard gave up after %s", w.limit))
	defer cancel()
	began := time.Now()
	for clean := began; time.Since(clean) < w.linger; {
		err := w.reverter.RevertRun(ctx, w.task.Run, w.task.Namespaces...)
		_, nothing := errors.AsType[*injector.UnknownRunError](err)
		switch {
		case err == nil:
			w.say("took run %s out of the mesh, %s after it was alone", w.task.Run, time.Since(began).Round(time.Millisecond))
			clean = time.Now()
		case !nothing:
			w.say("%v", err)
			return exitNotReverted
		}
		timer := time.NewTimer(w.look)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return exitDone // it was clean when it was last looked at
		}
	}
	return exitDone
}

// tell says something to the parent.
func (w *ward) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(w.out, format+"\n", args...) // the parent may be gone
}

// say tells the parent, and, as that may not listen any more, whoever else does.
func (w *ward) say(format string, args ...any) {
	w.tell(format, args...)
	_, _ = fmt.Fprintf(w.err, "faultline: guard: "+format+"\n", args...) // as above
}
