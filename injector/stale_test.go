package injector

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	const d = 10 * time.Second
	lease := func(ago time.Duration, silent time.Duration) evidence {
		return evidence{
			now: testNow, until: testUntil, named: "shop/faultline-7f3a", silent: silent,
			lease: &heartbeat{ref: ourLease, at: testNow.Add(-ago), duration: d, until: testUntil},
		}
	}
	but := func(e evidence, change func(*evidence)) evidence { change(&e); return e }
	tests := map[string]struct {
		evidence evidence
		state    State
		why      string
	}{
		"renewed just now":                           {lease(0, 0), Live, "its Lease shop/faultline-7f3a was renewed less than 10s ago"},
		"renewed a while ago":                        {lease(d-1, 0), Live, "less than 10s ago"},
		"overdue":                                    {lease(d, 0), Silent, "last renewed 10s ago, which is more than its 10s"},
		"overdue by hours":                           {lease(3*time.Hour, 0), Silent, "last renewed 3h0m0s ago"},
		"renewed in the future":                      {lease(-time.Hour, 0), Silent, "renewed 1h0m0s from now, which cannot be"},
		"a little in the future":                     {lease(-time.Second, 0), Live, "less than 10s ago"},
		"watched for too short":                      {lease(time.Hour, d-1), Silent, "last renewed 1h0m0s ago"},
		"watched for long enough":                    {lease(time.Hour, d), Stale, "was watched for 10s and not renewed"},
		"watched, and by the server's clock renewed": {lease(time.Second, d), Stale, "was watched for 10s and not renewed"},
		"no time in it": {
			but(lease(0, 0), func(e *evidence) { e.lease.at = time.Time{} }), Silent, "does not tell when it was renewed",
		},
		"its time is over, though it is renewed": {
			but(lease(0, 0), func(e *evidence) { e.until = testNow }), Stale, "its time is over",
		},
		"its time is all but over": {
			but(lease(0, 0), func(e *evidence) { e.until = testNow.Add(1) }), Live, "less than",
		},
		"the Lease's own time is over": {
			but(lease(0, 0), func(e *evidence) { e.until, e.lease.until = time.Time{}, testNow }), Stale, "the time of its Lease shop/faultline-7f3a is over",
		},
		"the Lease is gone": {
			but(lease(0, 0), func(e *evidence) { e.lease = nil }), Stale, "its Lease shop/faultline-7f3a is gone",
		},
		"the Lease cannot be read": {
			but(lease(0, 0), func(e *evidence) { e.lease, e.unread = nil, errors.New("forbidden") }), Live, "cannot be read, so only its time can end it: forbidden",
		},
		"the Lease cannot be read, and the time is over": {
			but(lease(0, 0), func(e *evidence) { e.lease, e.unread, e.until = nil, errLost, testNow.Add(-1) }), Stale, "its time is over",
		},
		"no Lease is named, of an older version": {
			evidence{now: testNow, until: testUntil}, Live, "it names no Lease, so only its time can end it",
		},
		"no Lease is named, and the time is over": {
			evidence{now: testNow, until: testNow.Add(-time.Hour)}, Stale, "its time is over",
		},
		"a broken mark, and no Lease": {
			evidence{now: testNow}, Stale, "nothing tells until when it is meant to be, and there is no Lease of its run",
		},
		"a broken mark, and a Lease that lives": {
			but(lease(0, 0), func(e *evidence) { e.until, e.named = time.Time{}, "" }), Live, "less than 10s ago",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			state, why := test.evidence.judge()
			if state != test.state || !strings.Contains(why, test.why) {
				t.Errorf("%s because %q, want %s because %q", state, why, test.state, test.why)
			}
		})
	}
}

func TestStateString(t *testing.T) {
	for state, want := range map[State]string{Live: "live", Silent: "silent", Stale: "stale", 7: "state(7)"} {
		if got := state.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
