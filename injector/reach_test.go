package injector

import "testing"

func TestFaultPercent(t *testing.T) {
	if got := callerFault.Percent(); got != 100 {
		t.Errorf("%v, want 100", got)
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
