package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/injector"
)

// fakeCluster has something of the run each time something arrives.
type fakeCluster struct {
	mu      sync.Mutex
	there   bool
	broken  error
	reverts []time.Duration // when the run was taken out, since the beginning
	looks   int
	began   time.Time
}

func (*fakeCluster) Leftovers(context.Context, ...string) ([]injector.Leftover, error) {
	return nil, nil
}

func (f *fakeCluster) RevertRun(_ context.Context, run string, namespaces ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if run != "7f3a" || fmt.Sprint(namespaces) != "[shop]" {
		return fmt.Errorf("asked to revert run %s in %s", run, namespaces)
	}
	f.looks++
	switch {
	case f.broken != nil:
		return &injector.NotRevertedError{Run: run, Cause: f.broken}
	case !f.there:
		return &injector.UnknownRunError{Run: run}
	}
	f.there = false
	f.reverts = append(f.reverts, time.Since(f.began))
	return nil
}

func (f *fakeCluster) looked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.looks
}

func (f *fakeCluster) arrive() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.there = true
}

// guarded is a ward in a bubble, and its parent's end.
type guarded struct {
	*fakeCluster
	parent   *io.PipeWriter
	out, err bytes.Buffer
	code     chan int
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{fakeCluster: &fakeCluster{there: true, began: time.Now()}, code: make(chan int, 1)}
	in, parent := io.Pipe()
	g.parent = parent
	w := &ward{
		out: &g.out, err: &g.err, connect: func(*rest.Config) (reverter, error) { return g.fakeCluster, nil },
		linger: linger, look: lookEvery, limit: revertLimit, beat: beatEvery,
	}
	go func() { g.code <- w.serve(t.Context(), in) }()
	message, err := json.Marshal(first{Task: Task{Run: "7f3a", Namespaces: []string{"shop"}, Silence: 10 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	g.write(t, string(message))
	synctest.Wait()
	if got := g.out.String(); got != wordReady+"\n" {
		t.Errorf("it says %q, want ready", got)
	}
	return g
}

func (g *guarded) write(t *testing.T, word string) {
	t.Helper()
	if _, err := fmt.Fprintln(g.parent, word); err != nil {
		t.Fatal(err)
	}
}

// beats lives for so many seconds.
func (g *guarded) beats(t *testing.T, n int) {
	t.Helper()
	for range n {
		<-time.After(beatEvery)
		g.write(t, wordBeat)
	}
}

func (g *guarded) want(t *testing.T, code int, reverts ...time.Duration) {
	t.Helper()
	if got := <-g.code; got != code {
		t.Errorf("exits with %d, want %d", got, code)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if fmt.Sprint(g.reverts) != fmt.Sprint(reverts) {
		t.Errorf("reverted after %s, want %s; it said\n%s", g.reverts, reverts, &g.err)
	}
}

func TestAParentThatEndsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		g.beats(t, 30)
		g.write(t, wordEnd)
		g.want(t, exitDone)
		if g.looked() != 0 || g.err.Len() != 0 {
			t.Errorf("it looked %d times and said %q", g.looked(), &g.err)
		}
		_ = g.parent.Close()
	})
}

// The fault of a parent that died is out at once. What comes late is taken out
// too, as long as the guard lingers.
func TestAParentThatDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		g.beats(t, 3)
		_ = g.parent.Close()
		<-time.After(4100 * time.Millisecond)
		g.arrive()
		<-time.After(linger - time.Millisecond) // anew from the last find on
		synctest.Wait()
		select {
		case <-g.code:
			t.Error("it did not linger")
		default:
		}
		g.want(t, exitDone, 3*time.Second, 7200*time.Millisecond)
		for _, want := range []string{
			"faultline: guard: the process of run 7f3a is gone: taking its faults out\n",
			"faultline: guard: took run 7f3a out of the mesh, 0s after it was alone\n",
		} {
			if !strings.Contains(g.err.String(), want) {
				t.Errorf("stderr lacks %q:\n%s", want, &g.err)
			}
		}
	})
}

// A parent that stops for the whole of its Lease is treated as dead, and looked
// after again when it goes on.
func TestAParentThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		g.beats(t, 3)
		<-time.After(9500 * time.Millisecond)
		synctest.Wait()
		if g.looked() != 0 {
			t.Error("it did not wait for the Lease")
		}
		<-time.After(time.Minute)
		g.arrive() // a write that the parent was in
		g.write(t, wordBeat)
		<-time.After(time.Minute)
		synctest.Wait()
		g.write(t, wordEnd)
		g.want(t, exitDone, 13*time.Second, 72500*time.Millisecond)
		if want := "the process of run 7f3a has stopped for 10s: taking its faults out"; !strings.Contains(g.err.String(), want) {
			t.Errorf("stderr lacks %q:\n%s", want, &g.err)
		}
		_ = g.parent.Close()
	})
}

func TestAParentThatDiesBeforeItSaysAnything(t *testing.T) {
	for _, said := range []string{"", `{"Task":`} {
		w := &ward{out: io.Discard, err: io.Discard}
		if code := w.serve(t.Context(), strings.NewReader(said)); code != exitDone {
			t.Errorf("after %q: exits with %d", said, code)
		}
	}
}

func TestAFirstMessageThatMakesNoSense(t *testing.T) {
	unreachable := func(*rest.Config) (reverter, error) { return nil, errors.New("no such cluster") }
	for said, want := range map[string]string{
		"nonsense\n":                          "it cannot guard: invalid character",
		"{}\n":                                "it cannot guard: no such cluster",
		`{"Connection":{"Proxy":":"}}` + "\n": "it cannot guard: proxy: ",
	} {
		var out, stderr bytes.Buffer
		w := &ward{out: &out, err: &stderr, connect: unreachable}
		if code := w.serve(t.Context(), strings.NewReader(said)); code != exitUseless || !strings.HasPrefix(out.String(), want) || stderr.Len() > 0 {
			t.Errorf("after %q: exits with %d and says %q, want %q", said, code, &out, want)
		}
	}
}

// What cannot be reverted is told with the commands that do it.
func TestAGuardThatCannotRevert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t)
		g.broken = errors.New("forbidden")
		_ = g.parent.Close()
		g.want(t, exitNotReverted)
		if want := "faultline revert --run 7f3a"; !strings.Contains(g.err.String(), want) {
			t.Errorf("stderr lacks %q:\n%s", want, &g.err)
		}
	})
}

// A guard that cannot see the faults is not ready, and says why.
func TestAGuardThatIsNotReady(t *testing.T) {
	var out bytes.Buffer
	w := &ward{out: &out, err: io.Discard, reverter: blind{}, task: Task{Run: "7f3a"}}
	w.reach(t.Context())
	if want := "it cannot see the faults of run 7f3a: forbidden\n"; out.String() != want {
		t.Errorf("it says %q, want %q", &out, want)
	}
}

type blind struct{ *fakeCluster }

func (blind) Leftovers(context.Context, ...string) ([]injector.Leftover, error) {
	return nil, errors.New("forbidden")
}
