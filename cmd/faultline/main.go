// Command faultline proves, on a real Istio mesh, that services and mesh policies
// survive failure, and never leaves a fault behind.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/faultline-mesh/faultline/experiments"
)

func main() { experiments.Main(program{}) }

// program is this process where it is not the guard of another.
type program struct{}

// Run does what the arguments say and returns the exit code.
func (program) Run() int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, ending()...)
	go func() {
		s := <-signals
		signal.Stop(signals) // the second one ends the process at once
		fmt.Fprintf(os.Stderr, "\nfaultline: %s: taking every fault out; once more to leave at once, "+
			"and the guard does it alone (see `faultline leftovers`)\n", s)
		cancel(fmt.Errorf("interrupted by %s", s))
	}()
	return exitCode(newRootCommand().ExecuteContext(ctx))
}

// ending are the signals that end a command in order. Under nohup, a terminal
// that goes away is none of them.
func ending() []os.Signal {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// Exit codes, as docs/cli.md explains them. Of several files the worst
// outcome wins, in the order of rank.
const (
	exitHeld         = 0
	exitDeviated     = 1
	exitBadInput     = 2
	exitHalted       = 3
	exitNotReverted  = 4
	exitInconclusive = 5
)

// codeError is an error that has been told already and only carries its code.
type codeError struct{ code int }

func (e *codeError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// exitCode tells the error, unless a command has done so, and maps it to a code.
// Whatever has no code of its own happened before anything was written.
func exitCode(err error) int {
	if err == nil {
		return exitHeld
	}
	if code, ok := errors.AsType[*codeError](err); ok {
		return code.code
	}
	fmt.Fprintf(os.Stderr, "faultline: %v\n", err)
	return exitBadInput
}

// worst picks the outcome that a run of several files ends with.
func worst(codes []int) int {
	for _, code := range []int{exitNotReverted, exitHalted, exitDeviated, exitInconclusive, exitBadInput} {
		if slices.Contains(codes, code) {
			return code
		}
	}
	return exitHeld
}
