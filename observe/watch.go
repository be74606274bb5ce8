package observe

import (
	"sync"
	"time"
)

// watch is what a Recorder knows of one proxy.
type watch struct {
	proxy   Proxy
	reading token // readings come in the order they were made; guards the next three
	scan    *scanner
	asked   time.Time // when the stats of the series were last read
	exports bool      // there are such stats

	mu     sync.Mutex // guards all below
	ledger *ledger
	phase  ReadError // readings that failed in the phase
	all    ReadError // readings that failed at all
}

func newWatch(first ProxyState, at time.Time, points int) *watch {
	w := &watch{
		proxy:   first.Proxy,
		reading: newToken(),
		scan:    newScanner(),
		asked:   at,
		ledger:  newLedger(first.Proxy, first.Hosts, first.Stats, at),
		phase:   ReadError{Proxy: first.Proxy},
		all:     ReadError{Proxy: first.Proxy},
	}
	w.ledger.track.most = points
	w.exports = len(w.ledger.track.stats) > 0
	return w
}

// add takes in a reading, or why there is none. Same says that it is the one
// before.
func (w *watch) add(hosts []Host, same bool, err error, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		w.phase.add(err, at)
		w.all.add(err, at)
		w.ledger.track.failed(w.proxy, at)
		return
	case !same:
		w.ledger.add(hosts, at)
	}
	w.ledger.track.read(at)
}

// due reports whether the stats of the series are to be read again.
func (w *watch) due(at time.Time) bool {
	if !w.exports || at.Sub(w.asked) < statsInterval {
		return false
	}
	w.asked = at
	return true
}

// counters takes in stats of the series.
func (w *watch) counters(stats map[string]uint64, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ledger.track.counters(stats, at)
	w.exports = len(w.ledger.track.stats) > 0
}

func (w *watch) series(s *Series) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ledger.track.series(w.proxy, s)
	s.Ejections = append(s.Ejections, w.ledger.ejections...)
}

// turn takes in the last reading of the phase, or why there is none, and
// begins the next.
func (w *watch) turn(state ProxyState, err error, at time.Time) (ProxyState, []Ejection, error) {
	w.counters(state.Stats, at)
	w.scan.known = false // these hosts came by another way
	w.add(state.Hosts, false, err, at)
	w.mu.Lock()
	defer w.mu.Unlock()
	part, ejections := w.ledger.turn(state.Stats, at)
	failed := w.phase.orNil()
	w.phase = ReadError{Proxy: w.proxy}
	return part, ejections, failed
}

// window returns the phase so far, and which readings failed in it.
func (w *watch) window() (ProxyState, []Ejection, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	part, ejections := w.ledger.window()
	return part, ejections, w.phase.orNil()
}

func (w *watch) ejections() []Ejection {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Ejection(nil), w.ledger.ejections...)
}

func (w *watch) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.orNil()
}

func (e *ReadError) add(err error, at time.Time) {
	e.Failed++
	e.Last, e.Err = at, err
}

// orNil returns a copy of e, or nil if nothing failed.
func (e *ReadError) orNil() error {
	if e.Failed == 0 {
		return nil
	}
	failed := *e
	return &failed
}
