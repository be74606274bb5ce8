package injector

import (
	"testing"
	"time"
)

func TestFaultPercent(t *testing.T) {
	if got := callerFault.Percent(); got != 100 {
		t.Errorf("%v, want 100", got)
	}
	for percent, effect := range map[float64]Effect{
		100:  Without{Policy: Timeout},
		12.5: Blackhole{Percent: 12.5},
		7:    Delays{Steps: []DelayStep{{time.Second, 5}, {2 * time.Second, 2}}},
	} {
		for _, site := range []Site{Caller, Upstream} {
			if got := (Fault{Effect: effect, Site: site}).Percent(); got != percent {
				t.Errorf("%v: %v, want %v", effect, got, percent)
			}
		}
	}
	if got := (Fault{}).Percent(); got != 0 {
		t.Errorf("without an effect: %v, want 0", got)
	}
}

func TestEditVisibleIn(t *testing.T) {
	for exportTo, want := range map[string][2]bool{ // in shop, in web
		"[]":         {true, true},
		"['*', web]": {true, true},
		"[.]":        {true, false},
		"[web]":      {false, true},
		"[web, .]":   {true, true},
		"['~']":      {false, false},
	} {
		edit := Edit{After: vs(t, "shop/a", 1, "hosts: [payments], exportTo: "+exportTo)}
		if got := [2]bool{edit.VisibleIn("shop"), edit.VisibleIn("web")}; got != want {
			t.Errorf("%s: %v, want %v", exportTo, got, want)
		}
	}
}
