package crash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

// TestCrash kills processes at any instruction of inject, hold and revert, while
// others work on the same objects and users edit them. After one reaper pass
// nothing of them is left, and every object is as its users made it.
func TestCrash(t *testing.T) {
	began := time.Now()
	result := crash(t, "crash", *kills, reap, nil)
	t.Logf("%s\nin %s", result, time.Since(began).Round(time.Second))
	for _, bad := range slices.Concat(result.remains.marks, result.remains.unequal, result.liars) {
		t.Error(bad)
	}
	for _, place := range places {
		if result.deaths[place] == 0 && *kills >= 100 {
			t.Errorf("no process died %s", place)
		}
	}
}

// maxRequests is more than a run of two faults makes.
const maxRequests = 40

// held makes a worker die while it holds its fault, almost surely.
func held(j *job) { j.Death, j.Hold = never, forGood }

// TestCrashIsSeen plants two bugs: the suite must find both.
func TestCrashIsSeen(t *testing.T) {
	t.Run("a reaper that misses an object", func(t *testing.T) {
		t.Parallel()
		result := crash(t, "misses", 3, func(ctx context.Context, in *injector.Injector, namespace string) error {
			found, err := in.Leftovers(ctx, namespace)
			if err != nil || len(found) == 0 {
				return fmt.Errorf("%d leftovers, %w", len(found), err)
			}
			return in.RevertLeftovers(ctx, found[1:])
		}, held)
		if len(result.remains.marks) == 0 {
			t.Errorf("not seen: %s", result)
		}
	})
	t.Run("a write without a mark", func(t *testing.T) {
		t.Parallel()
		result := crash(t, "unmarked", 1, reap, func(j *job) {
			held(j)
			j.Unmarked = true
			j.Targets = []target{{"routed-1", injector.Caller, plain}}
		})
		if len(result.remains.unequal) == 0 {
			t.Errorf("not seen: %s", result)
		}
	})
}

// TestSleepers stops processes before each of their requests for longer than
// their Leases last, as a suspended machine does. Others take their faults out
// meanwhile; when they wake up, they leave nothing either.
func TestSleepers(t *testing.T) {
	s, in := newScene(t, "sleepers", cast{routed: 3, bare: maxRequests}), newInjector(t, unthrottled())
	sleepers := s.sleepers(t)
	t.Logf("%d processes sleep", len(sleepers))
	if _, err := silence(t.Context(), in, s.namespace); err != nil {
		t.Fatal(err)
	}
	if err := reap(t.Context(), in, s.namespace); err != nil {
		t.Fatal(err)
	}
	left, err := s.inspect(t.Context())
	if err != nil || len(left.marks)+len(left.unequal) > 0 {
		t.Errorf("while they sleep: %v %v", err, left)
	}
	for _, p := range sleepers {
		if err := p.Process.Signal(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}
	for n, p := range sleepers {
		last := p.hear(stepEnd)
		if err := errors.Join(p.stdin.Close(), p.Wait(), p.stdout.Close()); err != nil || last != stepEnd {
			t.Errorf("the one that slept before request %d ended with %q: %v\n%s", n, last, err, &p.stderr)
		}
	}
	if left, err = s.inspect(t.Context()); err != nil || len(left.marks)+len(left.unequal) > 0 {
		t.Errorf("after they woke up: %v\n%v\n%v", err, strings.Join(left.marks, "\n"), strings.Join(left.unequal, "\n"))
	}
}

// sleepers returns processes that sleep, the n-th before its n-th request, for
// as many requests as there are.
func (s *scene) sleepers(t *testing.T) (sleeping []*process) {
	t.Helper()
	for n := range maxRequests {
		p, err := start(t.Context(), job{
			Kubeconfig: mesh.Kubeconfig(), Namespace: s.namespace, Run: injector.NewRunID(), Death: asleep, At: n,
			Targets: []target{{fmt.Sprint("routed-", n%s.cast.routed), injector.Caller, plain}, {fmt.Sprint("bare-", n), injector.Caller, plain}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if last := p.hear(stepSleep, stepEnd); last != stepSleep {
			if err := errors.Join(p.stdin.Close(), p.Wait(), p.stdout.Close()); err != nil {
				t.Errorf("%v\n%s", err, &p.stderr)
			}
			return sleeping
		}
		sleeping = append(sleeping, p)
	}
	t.Fatalf("%d processes, and the last one still made a request more", maxRequests)
	return nil
}
