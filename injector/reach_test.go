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

func TestEditIsMadeIn(t *testing.T) {
	frontend := map[string]string{"app": "frontend", "version": "v1"}
	gateway := decodeOne(t, "{apiVersion: v1, kind: Gateway, metadata: {name: g}, spec: {selector: {istio: ingress}}}")
	ofShop := vs(t, "shop/a", 1, "hosts: [payments]")
	for name, test := range map[string]struct {
		edit      Edit
		namespace string
		labels    map[string]string
		gateway   bool
		want      bool
	}{
		"any sidecar":                {edit: Edit{After: ofShop}, namespace: "web", want: true},
		"no gateway":                 {edit: Edit{After: ofShop}, namespace: "web", gateway: true},
		"a chosen pod":               {edit: Edit{Ref: Ref{Namespace: "shop"}, Pods: []string{"p"}}, namespace: "shop", want: true},
		"its namesake elsewhere":     {edit: Edit{Ref: Ref{Namespace: "shop"}, Pods: []string{"p"}}, namespace: "web"},
		"another pod":                {edit: Edit{Ref: Ref{Namespace: "shop"}, Pods: []string{"q"}}, namespace: "shop"},
		"a caller's namespace":       {edit: Edit{After: ofShop, splice: &splice{from: Callers{Namespace: "web"}}}, namespace: "web", want: true},
		"another namespace":          {edit: Edit{After: ofShop, splice: &splice{from: Callers{Namespace: "web"}}}, namespace: "shop"},
		"a caller's labels":          {edit: Edit{After: ofShop, splice: &splice{from: Callers{Labels: map[string]string{"app": "frontend"}}}}, labels: frontend, want: true},
		"other labels":               {edit: Edit{After: ofShop, splice: &splice{from: Callers{Labels: map[string]string{"app": "x"}}}}, labels: frontend},
		"labels that are not there":  {edit: Edit{After: ofShop, splice: &splice{from: Callers{Labels: map[string]string{"app": ""}}}}},
		"the gateway's proxy":        {edit: Edit{After: ofShop, splice: &splice{gateway: gateway}}, labels: map[string]string{"istio": "ingress"}, gateway: true, want: true},
		"another gateway's":          {edit: Edit{After: ofShop, splice: &splice{gateway: gateway}}, labels: map[string]string{"istio": "egress"}, gateway: true},
		"a sidecar with such labels": {edit: Edit{After: ofShop, splice: &splice{gateway: gateway}}, labels: map[string]string{"istio": "ingress"}},
	} {
		if got := test.edit.MadeIn(test.namespace, "p", test.labels, test.gateway); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	for exportTo, want := range map[string][2]bool{ // in shop, in web
		"[]":         {true, true},
		"['*', web]": {true, true},
		"[.]":        {true, false},
		"[web]":      {false, true},
		"[web, .]":   {true, true},
		"['~']":      {false, false},
	} {
		edit := Edit{After: vs(t, "shop/a", 1, "hosts: [payments], exportTo: "+exportTo)}
		if got := [2]bool{edit.MadeIn("shop", "p", nil, false), edit.MadeIn("web", "p", nil, false)}; got != want {
			t.Errorf("%s: %v, want %v", exportTo, got, want)
		}
	}
}

func TestNamesRoute(t *testing.T) {
	for shown, want := range map[string]bool{
		"faultline-7f3a-1":         true,
		"faultline-7f3a-1.canary":  true,
		"faultline-7f3a-1-child":   true,
		"faultline-7f3a-1-child.m": true,
		"faultline-7f3a-10":        false,
		"faultline-7f3a-":          false,
		"default":                  false,
	} {
		if got := NamesRoute(shown, "faultline-7f3a-1"); got != want {
			t.Errorf("%q: %v, want %v", shown, got, want)
		}
		if got := (Edit{Routes: []string{"faultline-7f3a-1"}}).ShownIn([]byte(`{"name":"` + shown + `"}`)); got != want {
			t.Errorf("ShownIn %q: %v, want %v", shown, got, want)
		}
	}
}
