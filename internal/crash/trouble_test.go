package crash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

const (
	troubleLanes = 20 // cases that are tried side by side, each in a namespace of its own

	// How long inject and revert go on when trouble lasts.
	injectBudget = 700 * time.Millisecond
	revertBudget = 2500 * time.Millisecond
)

// troubleTargets are a run that does everything there is: edits a user's object,
// creates one, and creates a filter.
var troubleTargets = []target{
	{"routed-0", injector.Caller, plain}, {"bare-0", injector.Caller, plain}, {"upstream-0", injector.Upstream, plain},
}

// step is when trouble is met.
type step string

const (
	injecting step = "inject"
	reverting step = "revert"
)

// troubleCase is one call that goes wrong in one way.
type troubleCase struct {
	step    step
	at      int
	call    call // what it was in a run without trouble
	trouble trouble
	lasting bool
}

func (c troubleCase) String() string {
	how := c.trouble.name
	if c.lasting {
		how += " from then on"
	}
	return fmt.Sprintf("%s %2d %s: %s", c.step, c.at, c.call, how)
}

// subject is a scene and an Injector whose calls can go wrong.
type subject struct {
	*scene
	in        *injector.Injector
	transport *troubled
	revert    func(context.Context, *injector.Injection) error // a companion test has a bad one
}

func newSubject(tb testing.TB, namespace string) *subject {
	tb.Helper()
	s := &subject{scene: newScene(tb, namespace, cast{1, 1, 1})}
	s.transport = &troubled{scene: s.scene}
	config := unthrottled()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { s.transport.next = next; return s.transport })
	s.in = newInjector(tb, config)
	s.revert = func(ctx context.Context, injection *injector.Injection) error { return injection.Revert(ctx) }
	return s
}

// plan plans the run that does everything.
func (s *subject) plan(ctx context.Context, targets ...target) (injector.Plan, error) {
	var faults []injector.Fault
	for _, t := range targets {
		faults = append(faults, t.fault(s.namespace))
	}
	return s.in.Plan(ctx, injector.NewRunID(), faults, injector.BlastRadius{}, s.in.Now().Add(3*time.Hour))
}

// outcome is what came of a case.
type outcome struct {
	injected error
	reverted error
	finished string  // how the job was finished when it was not reverted
	calls    []call  // of the step with the trouble
	left     remains // after all that
}

func (o outcome) String() string {
	text := "injected, "
	if o.injected != nil {
		text = "not injected, "
	}
	if o.reverted == nil {
		return text + "reverted"
	}
	return text + "NOT REVERTED, finished by " + o.finished
}

// try makes a run with trouble, and has its commands run if it says it is not
// reverted.
func (s *subject) try(ctx context.Context, c troubleCase) (o outcome, err error) {
	plan, err := s.plan(ctx, troubleTargets...)
	if err != nil {
		return o, err
	}
	inject, cancel := context.WithTimeout(ctx, injectBudget)
	defer cancel()
	if c.step == injecting {
		s.transport.arm(c.at, c.trouble, c.lasting, cancel)
	}
	injection, errInject := s.in.Inject(inject, plan)
	o.injected = errInject
	if c.step == injecting {
		o.calls = s.transport.disarm()
	}
	revert, cancel := context.WithTimeout(ctx, revertBudget)
	defer cancel()
	if c.step == reverting {
		s.transport.arm(c.at, c.trouble, c.lasting, cancel)
	}
	o.reverted = s.revert(revert, injection)
	if c.step == reverting {
		o.calls = s.transport.disarm()
	}
	s.transport.late.Wait()
	if o.reverted != nil {
		if o.finished, err = s.finish(ctx, plan.Run, o.reverted, (c.at+len(c.trouble.name))%8 == 0); err != nil {
			return o, err
		}
	}
	o.left, err = s.inspect(ctx)
	return o, err
}

// finish does what a NotRevertedError tells people to do: the faultline command,
// as cmd/faultline does it, or with kubectl the commands behind it.
func (s *subject) finish(ctx context.Context, run string, reverted error, kubectl bool) (string, error) {
	left, ok := errors.AsType[*injector.NotRevertedError](reverted)
	if !ok {
		return "", fmt.Errorf("got %w, want a *NotRevertedError", reverted)
	}
	commands := left.Commands()
	if want := "faultline revert --run " + run; len(commands) < 2 || commands[0] != want {
		return "", fmt.Errorf("commands %q do not begin with %q and tell what to do without it", commands, want)
	}
	if !kubectl || !hasPrograms("kubectl", "jq") {
		err := s.in.RevertRun(ctx, run)
		if _, unknown := errors.AsType[*injector.UnknownRunError](err); unknown {
			return "nothing, there was no mark", nil
		}
		return "faultline revert --run", err
	}
	for _, command := range commands[1:] {
		cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", command)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+mesh.Kubeconfig())
		if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "(NotFound)") {
			return "", fmt.Errorf("%s: %w\n%s", command, err, out)
		}
	}
	return "kubectl", nil
}

func hasPrograms(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		_, err := exec.LookPath(name)
		return err != nil
	})
}

// cleanPass returns the calls of inject and revert when nothing goes wrong.
func cleanPass(t *testing.T, s *subject) map[step][]call {
	t.Helper()
	calls := map[step][]call{}
	for _, step := range []step{injecting, reverting} {
		o, err := s.try(t.Context(), troubleCase{step: step})
		if err = errors.Join(err, o.injected, o.reverted); err != nil {
			t.Fatal(err)
		}
		calls[step] = o.calls
	}
	return calls
}

func casesOf(calls map[step][]call, troubles []trouble) []troubleCase {
	var cases []troubleCase
	for _, step := range []step{injecting, reverting} {
		for at, call := range calls[step] {
			for _, trouble := range troubles {
				if trouble.meddles && !call.isOnObject() || trouble.writes && call.method == http.MethodGet {
					continue
				}
				cases = append(cases, troubleCase{step, at, call, trouble, false})
				if !trouble.once {
					cases = append(cases, troubleCase{step, at, call, trouble, true})
				}
			}
		}
	}
	return cases
}

// tryAll tries the cases on several scenes and returns a table, a line each, and
// the lines of those that went wrong.
func tryAll(t *testing.T, name string, cases []troubleCase, change func(*subject)) (table, wrong []string) {
	t.Helper()
	var mu sync.Mutex
	var group sync.WaitGroup
	todo := make(chan troubleCase)
	for n := range troubleLanes {
		s := newSubject(t, fmt.Sprintf("%s-%d", name, n))
		change(s)
		group.Go(func() {
			for c := range todo {
				o, err := s.try(t.Context(), c)
				line := fmt.Sprintf("%s -> %s", c, o)
				mu.Lock()
				table = append(table, line)
				bad := slices.Concat(o.left.marks, o.left.unequal)
				if err != nil || len(bad) > 0 {
					wrong = append(wrong, fmt.Sprintf("%s\n  inject: %v\n  revert: %v\n  %v\n  left: %s",
						line, o.injected, o.reverted, err, strings.Join(bad, "\n    ")))
				}
				mu.Unlock()
				if c.trouble.meddles || err != nil || len(bad) > 0 {
					s.renew(t)
				}
			}
		})
	}
	for _, c := range cases {
		todo <- c
	}
	close(todo)
	group.Wait()
	slices.Sort(table)
	return table, wrong
}

// TestTrouble lets every call of inject and of revert go wrong in every way, once
// and from then on. Each time the mesh is as before, or the error says that it is
// not and its commands make it so.
func TestTrouble(t *testing.T) {
	calls := cleanPass(t, newSubject(t, "trouble"))
	cases := casesOf(calls, slices.Concat(troubles, meddlings))
	began := time.Now()
	table, wrong := tryAll(t, "trouble", cases, func(*subject) {})
	for _, line := range table {
		t.Log(line)
	}
	count := func(part string) (n int) {
		for _, line := range table {
			if strings.Contains(line, part) {
				n++
			}
		}
		return n
	}
	t.Logf("%d calls of inject and %d of revert, %d cases in %s: %d reverted, %d NOT REVERTED and finished by command",
		len(calls[injecting]), len(calls[reverting]), len(cases), time.Since(began).Round(time.Second),
		count(", reverted"), count("NOT REVERTED"))
	for _, w := range wrong {
		t.Error(w)
	}
	if count("NOT REVERTED") == 0 || count("not injected") == 0 {
		t.Error("the trouble troubles nothing: neither inject nor revert ever failed")
	}
}

// TestTroubleIsSeen has a revert that stays silent: the suite must say so.
func TestTroubleIsSeen(t *testing.T) {
	s := newSubject(t, "silent")
	s.revert = func(context.Context, *injector.Injection) error { return nil }
	o, err := s.try(t.Context(), troubleCase{step: injecting})
	if err != nil || o.injected != nil {
		t.Fatal(err, o.injected)
	}
	if len(o.left.marks) == 0 || len(o.left.unequal) == 0 {
		t.Errorf("a fault that was left is not seen: %+v", o.left)
	}
}
