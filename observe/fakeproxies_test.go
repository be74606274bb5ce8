package observe

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"
)

// fakeProxies answers a Recorder.
type fakeProxies struct {
	mu      sync.Mutex
	hosts   map[string][]Host // by Pod
	stats   map[string]uint64
	errs    map[string]error
	reads   map[string]int
	reading int // readings under way
	most    int // the most there were
	takes   map[string]time.Duration

	exported map[string]map[string]uint64 // stats of a series, by Pod
	asked    map[string]int               // readings of them
}

func newFakeProxies() *fakeProxies {
	return &fakeProxies{hosts: map[string][]Host{}, stats: map[string]uint64{}, errs: map[string]error{}, reads: map[string]int{}, takes: map[string]time.Duration{}, exported: map[string]map[string]uint64{}, asked: map[string]int{}}
}

func (f *fakeProxies) set(p Proxy, hosts ...Host) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hosts[p.Pod] = hosts
}

func (f *fakeProxies) fail(p Proxy, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs[p.Pod] = err
}

// slow says how long readings of p take from now on.
func (f *fakeProxies) slow(p Proxy, takes time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.takes[p.Pod] = takes
}

func (f *fakeProxies) readsOf(p Proxy) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads[p.Pod]
}

func (f *fakeProxies) readHosts(ctx context.Context, p Proxy) ([]Host, error) {
	f.mu.Lock()
	f.reads[p.Pod]++
	f.reading++
	f.most = max(f.most, f.reading)
	takes := f.takes[p.Pod]
	f.mu.Unlock()
	if takes > 0 { // a select on an expired timer of a bubble crashes the race detector of go1.26
		select {
		case <-time.After(takes):
		case <-ctx.Done():
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reading--
	if err := errors.Join(ctx.Err(), f.errs[p.Pod]); err != nil {
		return nil, err
	}
	return append([]Host(nil), f.hosts[p.Pod]...), nil
}

func (f *fakeProxies) readState(ctx context.Context, p Proxy) (ProxyState, error) {
	hosts, err := f.readHosts(ctx, p)
	if err != nil {
		return ProxyState{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	stats := map[string]uint64{"x": f.stats[p.Pod]}
	maps.Copy(stats, f.exported[p.Pod])
	return ProxyState{Proxy: p, Hosts: hosts, Stats: stats}, nil
}

func (f *fakeProxies) readStats(ctx context.Context, p Proxy) (map[string]uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(ctx.Err(), f.errs[p.Pod]); err != nil {
		return nil, err
	}
	f.asked[p.Pod]++
	return maps.Clone(f.exported[p.Pod]), nil
}

// export says what a proxy has of the stats of a series.
func (f *fakeProxies) export(p Proxy, stats map[string]uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.exported[p.Pod] = stats
}

// record begins a recording, whose first reading is now.
func (f *fakeProxies) record(ctx context.Context, t *testing.T, proxies ...Proxy) *Recorder {
	t.Helper()
	first := Snapshot{At: time.Now()}
	for _, p := range proxies {
		state, err := f.readState(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		first.Proxies = append(first.Proxies, state)
	}
	r := &Recorder{state: f.readState, hosts: func(ctx context.Context, p Proxy, _ *scanner) ([]Host, bool, error) {
		hosts, err := f.readHosts(ctx, p)
		return hosts, false, err
	}, stats: f.readStats}
	r.start(ctx, first)
	return r
}
