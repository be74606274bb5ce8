package experiments

import (
	"testing"
	"time"
)

func TestOverhead(t *testing.T) {
	var w stopwatch
	w.add("plan", 80*time.Millisecond)
	w.phase(2*time.Second, 2100*time.Millisecond)
	w.add("barrier", 40*time.Millisecond)
	w.phase(time.Second, 300*time.Millisecond) // which was ended early
	w.add("barrier", 20*time.Millisecond)
	w.add("flush", 0)
	o := w.overhead(2700 * time.Millisecond)
	if o.Total != 400*time.Millisecond {
		t.Errorf("total %s", o.Total)
	}
	if got, want := o.String(), "400ms: plan 80ms, answers and counters 100ms, barrier 60ms"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := (Overhead{}).String(); got != "0s" {
		t.Errorf("of nothing: %s", got)
	}
	if got := (&stopwatch{}).overhead(time.Second); got.Total != time.Second {
		t.Errorf("of a run without phases: %s", got)
	}
}
