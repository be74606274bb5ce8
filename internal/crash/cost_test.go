package crash

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/injector"
)

// maxRoundTrips is what one write of a run, or one revert of an object, may take.
const maxRoundTrips = 3

// clocked is a transport that notes how long each call took.
type clocked struct {
	next  http.RoundTripper
	mu    sync.Mutex
	calls []timedCall
}

type timedCall struct {
	call
	took time.Duration
}

// RoundTrip notes the time of a call.
func (c *clocked) RoundTrip(q *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := c.next.RoundTrip(q)
	if this := callOf(q); !this.isBackground() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.calls = append(c.calls, timedCall{this, time.Since(began)})
	}
	return resp, err
}

// take returns the calls since the last time.
func (c *clocked) take() []timedCall {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

func newClocked(tb testing.TB, namespace string) (*subject, *clocked) {
	tb.Helper()
	clock := &clocked{}
	config := rest.CopyConfig(unthrottled())
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { clock.next = next; return clock })
	return &subject{scene: newScene(tb, namespace, cast{1, 1, 1}), in: newInjector(tb, config)}, clock
}

// perWrite cuts the calls of an injection behind each write of an object: what
// it took to make that one. The Lease comes first and is left out.
func perWrite(calls []timedCall) (writes [][]timedCall) {
	var part []timedCall
	for _, c := range calls {
		part = append(part, c)
		if c.method == http.MethodGet {
			continue
		}
		if c.resource != "leases" {
			writes = append(writes, part)
		}
		part = nil
	}
	return writes
}

// perObject sorts the calls of a revert by object; the Lease is left out.
func perObject(calls []timedCall) map[string][]timedCall {
	objects := map[string][]timedCall{}
	for _, c := range calls {
		if c.resource != "leases" {
			objects[c.resource+"/"+c.name] = append(objects[c.resource+"/"+c.name], c)
		}
	}
	return objects
}

// TestRoundTrips counts the requests that a write of a fault and the revert of an
// object take.
func TestRoundTrips(t *testing.T) {
	s, clock := newClocked(t, "cost")
	plan, err := s.plan(t.Context(), troubleTargets...)
	if err != nil {
		t.Fatal(err)
	}
	clock.take()
	injection, err := s.in.Inject(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	injected := clock.take()
	if err := injection.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	reverted := clock.take()

	writes := perWrite(injected)
	if len(writes) != len(plan.Edits) {
		t.Errorf("%d writes of %d edits: %v", len(writes), len(plan.Edits), injected)
	}
	objects := perObject(reverted)
	if len(objects) != len(plan.Edits) {
		t.Errorf("%d objects reverted of %d: %v", len(objects), len(plan.Edits), reverted)
	}
	for _, calls := range append(slices.Collect(maps.Values(objects)), writes...) {
		if len(calls) > maxRoundTrips {
			t.Errorf("%d round trips, want at most %d: %v", len(calls), maxRoundTrips, calls)
		}
		t.Log(calls)
	}
	t.Logf("%d calls of inject and %d of revert with the Lease", len(injected), len(reverted))
	s.mustBeClean(t)
}

// BenchmarkUndo is the time of an inject write, and of the revert of an object,
// on a real API server with istiod's validation: per write, with its checks and
// its reading back, and for a run of one fault with its Lease.
func BenchmarkUndo(b *testing.B) {
	for name, targets := range map[string][]target{
		"edit":   {{"routed-0", injector.Caller, plain}},
		"create": {{"upstream-0", injector.Upstream, plain}},
	} {
		b.Run(name, func(b *testing.B) {
			s, clock := newClocked(b, fmt.Sprintf("bench-%s-%d", name, b.N))
			times := map[string][]time.Duration{}
			note := func(what string, took time.Duration) { times[what] = append(times[what], took) }
			for b.Loop() {
				b.StopTimer()
				plan, err := s.plan(b.Context(), targets...)
				if err != nil {
					b.Fatal(err)
				}
				clock.take()
				b.StartTimer()
				began := time.Now()
				injection, err := s.in.Inject(b.Context(), plan)
				note("inject-run", time.Since(began))
				if err != nil {
					b.Fatal(err)
				}
				for _, write := range perWrite(clock.take()) {
					note("inject-write", total(write))
				}
				began = time.Now()
				err = injection.Revert(b.Context())
				note("revert-run", time.Since(began))
				if err != nil {
					b.Fatal(err)
				}
				for _, object := range perObject(clock.take()) {
					note("revert-object", total(object))
				}
			}
			for what, took := range times {
				slices.Sort(took)
				b.ReportMetric(milliseconds(took[len(took)/2]), what+"-p50-ms")
				b.ReportMetric(milliseconds(took[min(len(took)-1, len(took)*99/100)]), what+"-p99-ms")
			}
		})
	}
}

func total(calls []timedCall) (sum time.Duration) {
	for _, c := range calls {
		sum += c.took
	}
	return sum
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
