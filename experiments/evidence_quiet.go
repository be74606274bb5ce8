package experiments

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/faultline-mesh/faultline/internal/stats"
	"github.com/faultline-mesh/faultline/observe"
)

// Bounds of the look at a mesh without load.
const (
	quietLeast = 500 * time.Millisecond
	quietMost  = 3 * time.Second
	quietWants = 14    // requests that are expected in it, if they come without the load, too; none at all is then one in a million
	quietAlpha = 0.001 // how often requests of others are called the load's: that leaves a question open, and no more
)

// tellOthers finds out whose requests those are that came to a fault and did not
// match it. The load has ended by now: what still comes, as often as before, is
// of others. It looks only if there are such requests. What cannot be seen is
// taken for the load's.
func (t *trial) tellOthers(ctx context.Context, found []finding) error {
	for i := range found {
		if found[i].accounted(t.report) {
			for n := range found[i].readings {
				found[i].readings[n].others = true
			}
		}
	}
	length, proxies := quietTime(found, t.report, t.experiment.alpha())
	if length == 0 {
		return nil
	}
	t.tell("evidence", fmt.Sprintf("looking for %s at requests that did not match a fault: do they come without the load, too?", length))
	before, err := t.mesh.Snapshot(ctx, proxies)
	if err == nil {
		err = pause(ctx, length)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	after, failed := t.mesh.Snapshot(ctx, proxies)
	if err = errors.Join(err, failed); err != nil {
		t.log.Warn("whose requests did not match is not known", "error", err)
		return nil
	}
	quiet := after.Since(before)
	for i := range found {
		found[i].compareAll(quiet, t.report.During)
		found[i].compare(quiet, t.report.During, t.experiment.alpha())
	}
	return nil
}

// alpha is how often a right claim of the experiment is called wrong.
func (e Experiment) alpha() float64 { return cmp.Or(e.Alpha, DefaultAlpha) }

// accountedShare is how much of a load must be seen to have met the fault for
// what else came to its hop to be of others.
const accountedShare = 0.95

// accounted reports whether all of the load met the fault: its answers say so, and
// as many requests met it as had passed there in the baseline. Either alone may
// deceive, where an app tries again or where several call the service.
func (f finding) accounted(r *Report) bool {
	load, matched := r.During.Load.Requests(), 0
	for _, one := range f.readings { // without a log the answers must do
		matched += one.came()
	}
	if f.index >= len(r.Baseline.Placement) || load == 0 || float64(f.marked) < accountedShare*float64(load) {
		return false
	}
	return float64(max(matched, f.marked)) >= accountedShare*r.Baseline.Placement[f.index].Share*float64(load)
}

// quietTime is how long it takes to tell whose requests did not match, and the
// proxies that they came to; zero when that makes no difference.
func quietTime(found []finding, r *Report, alpha float64) (length time.Duration, proxies []observe.Proxy) {
	took := r.During.To.Sub(r.During.From)
	for _, f := range found {
		e := f.evidence(r, nil, alpha)
		if !f.fault.AllTraffic && e.lacks(alpha) == "" {
			continue
		}
		for _, one := range f.readings {
			firing := f.firing(one, alpha)
			unmatched := firing.Reached - firing.Matched
			if f.fault.AllTraffic {
				unmatched = firing.Reached // which of them are the load's it does not tell
			}
			if unmatched > 0 && (firing.known || e.Source == sourceMarker || f.fault.AllTraffic) {
				proxies = append(proxies, one.proxy)
				length = max(length, min(max(took/time.Duration(unmatched)*quietWants, quietLeast), quietMost))
			}
		}
	}
	return length, proxies
}

// compare says of each proxy whether requests that did not match came as often in
// a time without load.
func (f *finding) compare(quiet observe.Change, during Phase, alpha float64) {
	without, with := quiet.To.Sub(quiet.From), during.To.Sub(during.From)
	for i := range f.readings {
		r := &f.readings[i]
		n := slices.IndexFunc(quiet.Proxies, func(s observe.ProxyState) bool { return s.Proxy.String() == r.proxy.String() })
		if one := f.firing(*r, alpha); n >= 0 && one.Reached > one.Matched {
			r.others = asOften(f.passed(quiet.Proxies[n]), one.Reached-one.Matched, without, with)
		}
	}
}

// asOften reports whether the requests that came in a time without load can be as
// many for their time as those that came with it, or are more.
func asOften(without, with int, quiet, loaded time.Duration) bool {
	if without == 0 {
		return false
	}
	all, share := without+with, quiet.Seconds()/(quiet+loaded).Seconds()
	return float64(without) >= share*float64(all) || !stats.Rejects(all, without, share, quietAlpha)
}
