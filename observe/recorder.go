package observe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// DefaultInterval is how often a [Recorder] reads each proxy if not told
// otherwise.
const DefaultInterval = 100 * time.Millisecond

// statsInterval is how often a [Recorder] reads the stats that a [Series] has, from
// proxies that export any.
const statsInterval = time.Second

// retryInterval is how long a proxy that could not be read is left alone.
const retryInterval = time.Second

// Recorder reads the hosts of some proxies again and again and notices which
// are ejected and readmitted. Its time is divided into phases by [Recorder.Cut].
// Make one with [Mesh.Record]. All methods are safe for concurrent use.
type Recorder struct {
	state    func(context.Context, Proxy) (ProxyState, error)        // all counters
	hosts    hostsFunc                                               // what is read all the time
	stats    func(context.Context, Proxy) (map[string]uint64, error) // what a Series has, of proxies that export any
	interval time.Duration
	began    time.Time     // when the first reading was made
	slots    chan struct{} // a token for each reading under way
	watches  []*watch
	end      context.CancelFunc
	running  sync.WaitGroup

	cutting token // one cut at a time

	mu   sync.Mutex // of whoever looks at more than one watch: all are in the same phase
	from time.Time  // begin of the phase
}

// hostsFunc reads the hosts of a proxy. They are good until the next reading with
// the same scanner; same says that they are what they were at the one before.
type hostsFunc func(context.Context, Proxy, *scanner) (hosts []Host, same bool, err error)

// ReadError says that a proxy could not be read for a part of a recording.
// Ejections that came and went in that part are not noticed; the counters are
// complete if a later reading succeeded.
type ReadError struct {
	Proxy  Proxy
	Failed int       // readings that failed
	Last   time.Time // the last of them
	Err    error     // why the last one failed; names the proxy
}

// Error says how often and why the proxy could not be read.
func (e *ReadError) Error() string {
	const layout = "15:04:05.000"
	if e.Failed == 1 {
		return fmt.Sprintf("1 reading failed, at %s: %v", e.Last.Format(layout), e.Err)
	}
	return fmt.Sprintf("%d readings failed, the last at %s: %v", e.Failed, e.Last.Format(layout), e.Err)
}

// Unwrap returns why the last reading failed.
func (e *ReadError) Unwrap() error { return e.Err }

// Record reads all proxies once and then starts to read each of them at every
// interval ([DefaultInterval] if it is not positive), until ctx ends or the
// Recorder is stopped. If the first reading of a proxy fails, nothing is
// recorded. Whoever calls Record calls [Recorder.Stop], before [Mesh.Close].
func (m *Mesh) Record(ctx context.Context, proxies []Proxy, interval time.Duration) (*Recorder, error) {
	first, err := m.Snapshot(ctx, proxies)
	if err != nil {
		return nil, err
	}
	r := &Recorder{state: m.state, hosts: m.scan, stats: m.seriesStats, interval: interval}
	r.start(ctx, first)
	return r, nil
}

// start begins the first phase with what the proxies had counted until then.
func (r *Recorder) start(ctx context.Context, first Snapshot) {
	if r.interval <= 0 {
		r.interval = DefaultInterval
	}
	r.slots = make(chan struct{}, maxParallel)
	r.cutting = newToken()
	r.from, r.began = first.At, first.At
	ctx, r.end = context.WithCancel(ctx)
	for _, state := range first.Proxies {
		w := newWatch(state, first.At, share(len(first.Proxies)))
		r.watches = append(r.watches, w)
		r.running.Go(func() { r.watch(ctx, w) })
	}
}

// Cut reads all counters now and returns what changed since the phase began,
// with the ejections that were noticed or still open in it. Then the next
// phase begins. The Change can be used even with an error, which joins one
// [ReadError] for each proxy of which a reading failed in the phase: a proxy
// that could not be read now is in the Change as it was last read, without
// Stats. Only if ctx ends early the Change is empty and the phase goes on.
// Cut may be called after Stop.
func (r *Recorder) Cut(ctx context.Context) (Change, error) {
	if err := r.cutting.take(ctx); err != nil {
		return Change{}, fmt.Errorf("cut: %w", err)
	}
	defer r.cutting.release()
	resume, err := r.pause(ctx)
	if err != nil {
		return Change{}, fmt.Errorf("cut: %w", err)
	}
	defer resume()
	states := make([]ProxyState, len(r.watches))
	errs := inParallel(len(r.watches), func(i int) (err error) {
		states[i], err = r.state(ctx, r.watches[i].proxy)
		return err
	})
	if ctx.Err() != nil {
		return Change{}, fmt.Errorf("cut: %w", context.Cause(ctx))
	}
	return r.turn(states, errs)
}

// pause waits for the readings under way and lets none begin until resume is
// called, so that the phases of all proxies end at one time.
func (r *Recorder) pause(ctx context.Context) (resume func(), err error) {
	paused := 0
	resume = func() {
		for _, w := range r.watches[:paused] {
			w.reading.release()
		}
	}
	for _, w := range r.watches {
		if err := w.reading.take(ctx); err != nil {
			resume()
			return nil, err
		}
		paused++
	}
	return resume, nil
}

// turn ends the phase with one reading of each proxy, or the error it gave.
func (r *Recorder) turn(states []ProxyState, errs []error) (Change, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change := Change{From: r.from, To: time.Now()}
	failed := make([]error, len(r.watches))
	for i, w := range r.watches {
		part, ejections, err := w.turn(states[i], errs[i], change.To)
		change.Proxies = append(change.Proxies, part)
		change.Ejections = append(change.Ejections, ejections...)
		failed[i] = err
	}
	sortEjections(change.Ejections)
	r.from = change.To
	return change, errors.Join(failed...)
}

// Window returns what was counted since the phase began, up to the latest reading
// of each proxy, with the ejections that were noticed or still open in it. It
// reads nothing, ends nothing and does not wait for a [Recorder.Cut], so that it
// may be called as often as one likes while something happens. Its Proxies have
// no Stats. The Change can be used even with an error, which joins one
// [ReadError] for each proxy of which a reading failed in the phase.
func (r *Recorder) Window() (Change, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change := Change{From: r.from, To: time.Now()}
	failed := make([]error, len(r.watches))
	for i, w := range r.watches {
		part, ejections, err := w.window()
		change.Proxies = append(change.Proxies, part)
		change.Ejections = append(change.Ejections, ejections...)
		failed[i] = err
	}
	sortEjections(change.Ejections)
	return change, errors.Join(failed...)
}

// Ejections returns all ejections noticed so far, by time, in whatever phase.
// Those from the begin have the time of the first reading.
func (r *Recorder) Ejections() []Ejection {
	var ejections []Ejection
	for _, w := range r.watches {
		ejections = append(ejections, w.ejections()...)
	}
	sortEjections(ejections)
	return ejections
}

// Series returns what was read since the Recorder was made, over time and across
// its phases. It reads nothing and may be called after Stop. Memory is bounded,
// however long the recording: see [Series.Step].
func (r *Recorder) Series() Series {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Series{From: r.began, To: r.began, Step: r.interval}
	for _, w := range r.watches {
		w.series(&s)
	}
	s.sort()
	return s
}

// Stop ends the readings and waits until they are done. It returns one
// [ReadError] for each proxy of which any reading failed, joined, also those
// that Cut returned. Stopping twice is no error.
func (r *Recorder) Stop() error {
	r.end()
	r.running.Wait()
	errs := make([]error, len(r.watches))
	for i, w := range r.watches {
		errs[i] = w.failure()
	}
	return errors.Join(errs...)
}

// watch reads one proxy until ctx ends.
func (r *Recorder) watch(ctx context.Context, w *watch) {
	ticker := time.NewTicker(r.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := r.read(ctx, w); err != nil {
			pause := time.NewTimer(retryInterval)
			select {
			case <-ctx.Done():
				pause.Stop()
				return
			case <-pause.C:
			}
		}
	}
}

// read reads one proxy once, when it is its turn.
func (r *Recorder) read(ctx context.Context, w *watch) error {
	if err := w.reading.take(ctx); err != nil {
		return err
	}
	defer w.reading.release()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	hosts, same, err := r.hosts(ctx, w.proxy, w.scan)
	if ctx.Err() != nil {
		return ctx.Err() // stopped meanwhile: not the proxy's fault
	}
	now := time.Now()
	w.add(hosts, same, err, now)
	if err != nil || !w.due(now) {
		return err
	}
	// These go without saying: a Series has gaps for hosts, and the next reading
	// has what this one did not.
	if stats, err := r.stats(ctx, w.proxy); err == nil {
		w.counters(stats, now)
	}
	return nil
}
