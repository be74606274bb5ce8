package observe

import (
	"sync"
	"time"
)

// watch is what a Recorder knows of one proxy.
type watch struct {
	proxy   Proxy
	reading token // readings come in the order they were made

	mu     sync.Mutex // guards all below
	ledger *ledger
	phase  ReadError // readings that failed in the phase
	all    ReadError // readings that failed at all
}

func newWatch(first ProxyState, at time.Time) *watch {
	return &watch{
		proxy:   first.Proxy,
		reading: newToken(),
		ledger:  newLedger(first.Proxy, first.Hosts, first.Stats, at),
		phase:   ReadError{Proxy: first.Proxy},
		all:     ReadError{Proxy: first.Proxy},
	}
}

// add takes in a reading, or why there is none.
func (w *watch) add(hosts []Host, err error, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.phase.add(err, at)
		w.all.add(err, at)
		return
	}
	w.ledger.add(hosts, at)
}

// turn takes in the last reading of the phase, or why there is none, and
// begins the next.
func (w *watch) turn(state ProxyState, err error, at time.Time) (ProxyState, []Ejection, error) {
	w.add(state.Hosts, err, at)
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
