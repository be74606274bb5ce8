package injector

import (
	"fmt"
	"time"
)

// State is whether the run that made a fault lives.
type State int

const (
	// Live is a fault whose run shows that it is alive, or has time left.
	Live State = iota

	// Silent is a fault whose run's Lease is overdue by the API server's clock.
	// Clocks can be wrong, so that alone makes it not stale: see
	// [Injector.RevertStale].
	Silent

	// Stale is a fault that anyone may take out.
	Stale
)

// String returns "live", "silent" or "stale".
func (s State) String() string {
	switch s {
	case Live:
		return "live"
	case Silent:
		return "silent"
	case Stale:
		return "stale"
	}
	return fmt.Sprintf("state(%d)", int(s))
}

// evidence is all that is known about whether the run of a fault lives.
type evidence struct {
	now    time.Time     // by the API server's clock
	until  time.Time     // of the mark; zero when it cannot be read
	named  string        // the Lease that the mark names; "" when it names none
	lease  *heartbeat    // nil when there is none
	unread error         // why the Lease that is named could not be read
	silent time.Duration // for how long one saw it without a renewal, by one's own monotonic clock
}

// judge decides whether the run of a fault lives, and says why.
func (e evidence) judge() (State, string) {
	switch {
	case !e.until.IsZero() && !e.now.Before(e.until):
		return Stale, "its time is over"
	case e.unread != nil:
		return Live, fmt.Sprintf("its Lease %s cannot be read, so only its time can end it: %v", e.named, e.unread)
	case e.lease == nil && e.named != "":
		return Stale, fmt.Sprintf("its Lease %s is gone", e.named)
	case e.lease == nil && e.until.IsZero():
		return Stale, "nothing tells until when it is meant to be, and there is no Lease of its run"
	case e.lease == nil:
		return Live, "it names no Lease, so only its time can end it"
	case !e.lease.until.IsZero() && !e.now.Before(e.lease.until):
		return Stale, fmt.Sprintf("the time of its Lease %s is over", e.lease.ref.key())
	}
	return e.pulse()
}

// pulse judges by the renewals of the Lease alone.
func (e evidence) pulse() (State, string) {
	name, ago := e.lease.ref.key(), e.now.Sub(e.lease.at)
	switch {
	case e.silent >= e.lease.duration:
		return Stale, fmt.Sprintf("its Lease %s was watched for %s and not renewed", name, e.lease.duration)
	case ago.Abs() < e.lease.duration:
		return Live, fmt.Sprintf("its Lease %s was renewed less than %s ago", name, e.lease.duration)
	case e.lease.at.IsZero():
		return Silent, fmt.Sprintf("its Lease %s does not tell when it was renewed", name)
	case ago < 0:
		return Silent, fmt.Sprintf("its Lease %s was renewed %s from now, which cannot be", name, ago.Abs().Round(time.Second))
	}
	return Silent, fmt.Sprintf("its Lease %s was last renewed %s ago, which is more than its %s",
		name, ago.Round(time.Second), e.lease.duration)
}
