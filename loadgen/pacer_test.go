package loadgen

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

func TestScheduleIsDue(t *testing.T) {
	tests := []struct {
		name   string
		rate   float64
		length time.Duration
		n      uint64
		want   time.Duration // after the start; -1: not in the schedule
	}{
		{"first at once", 50, 0, 0, 0},
		{"second", 50, 0, 1, 20 * time.Millisecond},
		{"less than one a second", 0.5, 0, 3, 6 * time.Second},
		{"one in ten seconds", 0.1, 0, 7, 70 * time.Second},
		{"thirds are rounded", 3, 0, 2, 666_666_667},
		{"rounding does not add up", 3, 0, 3_000_000, 1_000_000 * time.Second},
		{"more than one a nanosecond", 4e9, 0, 8, 2},
		{"last before the end", 50, time.Second, 49, 980 * time.Millisecond},
		{"at the end", 50, time.Second, 50, -1},
		{"at the end, inexact rate", 0.1, 10 * time.Second, 1, -1},
		{"after the end", 50, time.Second, 51, -1},
		{"later than time can tell", 1e-300, 0, 1, 1<<63 - 1},
		{"later than time can tell, with an end", 1e-300, time.Hour, 1, -1},
	}
	start := time.Now()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			due, scheduled := schedule{start: start, rate: test.rate, length: test.length}.due(test.n)
			got := due.Sub(start)
			if !scheduled {
				got = -1
			}
			if got != test.want {
				t.Errorf("due(%d) at %v/s for %s = %s, want %s", test.n, test.rate, test.length, got, test.want)
			}
		})
	}
}

func TestScheduleHoldsRateTimesDuration(t *testing.T) {
	for _, test := range []struct {
		rate   float64
		length time.Duration
		want   int
	}{
		{50, time.Second, 50},
		{0.5, time.Second, 1},
		{0.5, 10 * time.Second, 5},
		{3, time.Second, 3},
		{7, 700 * time.Millisecond, 5}, // 0, 143, 286, 429, 571 ms
		{30, 100 * time.Millisecond, 3},
		{1000, time.Minute, 60_000},
	} {
		s := schedule{start: time.Now(), rate: test.rate, length: test.length}
		n := 0
		for _, scheduled := s.due(0); scheduled; _, scheduled = s.due(uint64(n)) {
			n++
		}
		if n != test.want {
			t.Errorf("%v/s for %s holds %d requests, want %d", test.rate, test.length, n, test.want)
		}
	}
}

func TestPacerWaitsUntilDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p := &pacer{ctx: t.Context(), schedule: schedule{start: begin, rate: 2, length: 2 * time.Second}}
		for n := range uint64(4) {
			wait, stop := p.Pace(0, n)
			if at := time.Since(begin); wait != 0 || stop || at != time.Duration(n)*500*time.Millisecond {
				t.Errorf("Pace(%d) = %s, %t after %s", n, wait, stop, at)
			}
		}
		if p.complete {
			t.Error("complete before the end")
		}
		if _, stop := p.Pace(0, 4); !stop || !p.complete {
			t.Errorf("after the last request: stop %t, complete %t", stop, p.complete)
		}
		if p.Rate(0) != 2 {
			t.Errorf("Rate = %v, want 2", p.Rate(0))
		}
	})
}

func TestPacerSendsLateRequestsAtOnceAndAll(t *testing.T) {
	late := schedule{start: time.Now().Add(-time.Hour), rate: 10, length: time.Second}
	p := &pacer{ctx: t.Context(), schedule: late}
	for n := range uint64(10) {
		if wait, stop := p.Pace(time.Hour, n); wait != 0 || stop {
			t.Errorf("Pace(%d) = %s, %t; want 0, false", n, wait, stop)
		}
	}
	// The companion: vegeta's pacer does not know when these were due.
	wait, _ := vegeta.Rate{Freq: 10, Per: time.Second}.Pace(time.Hour, 5)
	if wait != 0 {
		t.Errorf("vegeta says how late a request is (%s): its pacer would do", wait)
	}
}

func TestPacerEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		p := &pacer{ctx: ctx, schedule: schedule{start: begin, rate: 0.001}}
		_, stop := p.Pace(0, 1)
		if waited := time.Since(begin); !stop || waited != time.Second {
			t.Errorf("stop %t after %s, want true after 1s", stop, waited)
		}
		if _, stop := p.Pace(0, 0); !stop {
			t.Error("a request that is due was let go after the end")
		}
		if p.complete {
			t.Error("a schedule that was cut short is complete")
		}
	})
}

// The companion of TestScheduleIsDue: what the pacer of vegeta does instead.
func TestVegetaPacerPanicsAboveOneHitANanosecond(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic: vegeta's pacer could be used for any rate")
		}
	}()
	_, _ = vegeta.Rate{Freq: 4, Per: 1}.Pace(0, 8)
}
