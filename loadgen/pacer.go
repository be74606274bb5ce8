package loadgen

import (
	"context"
	"math"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// schedule says when each request is due: the first at the start, the others
// one after the other at the rate. It is made before anything is sent and
// nothing that happens later moves it.
type schedule struct {
	start  time.Time
	rate   float64       // requests per second, positive
	length time.Duration // requests due at or after start+length are not in it; zero: no end
}

// due returns when request n, counted from 0, is to be sent. It reports false
// when n comes after the end.
func (s schedule) due(n uint64) (time.Time, bool) {
	// From n and not from the request before, so that rounding cannot add up.
	offset := math.Round(float64(n) * float64(time.Second) / s.rate)
	if s.length > 0 && offset >= float64(s.length) {
		return time.Time{}, false
	}
	if offset >= math.MaxInt64 {
		return s.start.Add(math.MaxInt64), true
	}
	return s.start.Add(time.Duration(offset)), true
}

// pacer lets vegeta send request after request as the schedule says. It waits
// itself, where vegeta would sleep through the end of the context, and never
// asks how much time has passed: vegeta's own pacers stop at the end of the
// duration and thereby forget the requests that are late.
type pacer struct {
	schedule
	ctx      context.Context
	complete bool // every request of the schedule was let go; to be read after the attack
}

var _ vegeta.Pacer = (*pacer)(nil)

// Pace returns, without any further wait, when request hits is due. It reports
// true, stop, after the last one and when the context ends.
func (p *pacer) Pace(_ time.Duration, hits uint64) (time.Duration, bool) {
	due, scheduled := p.due(hits)
	if !scheduled {
		p.complete = true
		return 0, true
	}
	return 0, !waitUntil(p.ctx, due)
}

// Rate returns the requests per second.
func (p *pacer) Rate(time.Duration) float64 { return p.rate }

// waitUntil returns when the time has come, or false when ctx ended before.
func waitUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
