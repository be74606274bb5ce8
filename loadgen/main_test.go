package loadgen_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/faultline-mesh/faultline/loadgen"
)

// prompt is how soon a cancelled load has to be over.
const prompt = 200 * time.Millisecond

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noLeaks fails t if a goroutine that the test started is still there when its
// clean-ups have run. It comes first, and t is not to be parallel.
func noLeaks(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// gauge counts how many requests its handler has at once.
type gauge struct{ now, most atomic.Int64 }

func (g *gauge) measure(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		now := g.now.Add(1)
		defer g.now.Add(-1)
		for most := g.most.Load(); now > most && !g.most.CompareAndSwap(most, now); most = g.most.Load() {
		}
		next(w, req)
	}
}

// tally counts by key.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *tally) add(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[key]++
}

func (c *tally) distinct() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.counts)
}

// run runs a load that has to end by itself.
func run(tb testing.TB, load loadgen.Load) loadgen.Result {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	result, err := load.Run(ctx)
	if err != nil {
		tb.Fatalf("Run: %v", err)
	}
	return result
}

// start starts a load and returns with it what ends it.
func start(t *testing.T, load loadgen.Load) (*loadgen.Running, context.CancelCauseFunc) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	running, err := load.Start(ctx)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	return running, cancel
}

// timed returns how long f took.
func timed(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}
