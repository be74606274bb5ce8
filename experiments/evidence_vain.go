package experiments

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faultline-mesh/faultline/internal/stats"
)

// vainAfter is when a fault phase is asked whether its fault hits anybody at all:
// access logs are written every second.
const vainAfter = 3 * time.Second

// vainShare is the share of requests that must not match, at least, for a phase
// to end before its time.
const vainShare = 0.9

// vain ends a fault phase early that cannot prove anything, because none of the
// requests that pass its hop is one that the fault is for.
type vain struct {
	read  func(f *finding, so Phase) error // the logs
	stop  context.CancelFunc
	asked time.Time   // up to when they were read last
	ended atomic.Bool // there is an answer: in vain
	busy  atomic.Bool // somebody reads
	work  sync.WaitGroup
}

func (t *trial) newVain(ctx context.Context) *vain {
	reading, stop := context.WithCancel(ctx)
	return &vain{stop: stop, read: func(f *finding, so Phase) error { return t.readLogs(reading, f, so) }}
}

// end returns when nobody reads any more.
func (v *vain) end() {
	v.stop()
	v.work.Wait()
}

// inVain reports whether a phase is to end because it can prove nothing, and notes
// in p why.
func (t *trial) inVain(p *Phase, so Phase) bool {
	if p != &t.report.During || t.vain == nil || !t.vain.ask(t, so) {
		return false
	}
	p.Stopped = fmt.Sprintf("stopped after %d requests, because none that came to the fault's hop was one that it is for", so.Load.Requests())
	return true
}

// ask reports whether the phase is in vain, as far as is known, and has the logs
// looked at again beside it when it is time.
func (v *vain) ask(t *trial, so Phase) bool {
	early := so.To.Sub(so.From) < vainAfter || so.To.Sub(v.asked) < vainAfter
	if v.ended.Load() || early || t.experiment.rampSteps() > 0 || so.Load.Marked(t.report.Run) > 0 || !v.busy.CompareAndSwap(false, true) {
		return v.ended.Load()
	}
	v.asked = so.To
	var found []finding
	for _, h := range t.hops() {
		f := finding{hop: h, steps: t.traces(h.index), marked: -1}
		for n := range f.steps {
			f.steps[n].from, f.steps[n].to = so.From.Truncate(time.Millisecond), so.To
		}
		for _, maker := range h.makers {
			f.readings = append(f.readings, reading{proxy: maker})
		}
		found = append(found, f)
	}
	v.work.Go(func() {
		defer v.busy.Store(false)
		v.ended.Store(v.nobody(found, so, t.experiment.alpha()))
	})
	return false
}

// nobody reports whether the logs of each fault show that requests pass its hop
// and that hardly one of them, by the exact test, can be the fault's.
func (v *vain) nobody(found []finding, so Phase, alpha float64) bool {
	for i := range found {
		if found[i].fault.AllTraffic || v.read(&found[i], so) != nil || !found[i].nobody(alpha) {
			return false
		}
	}
	return len(found) > 0
}

// nobody reports whether the logs show enough requests at the hop, and none that
// the fault is for.
func (f finding) nobody(alpha float64) bool {
	reached, met := 0, 0
	for _, r := range f.readings {
		one := f.firing(r, alpha)
		if r.logged && !one.known {
			return false
		}
		reached, met = reached+one.Reached, met+one.Matched
	}
	return met == 0 && reached > 0 && stats.Rejects(reached, 0, 1-vainShare, alpha)
}
