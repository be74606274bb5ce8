package preflight

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
)

func TestWhatAPlanFollowsFrom(t *testing.T) {
	route, rule := virtualServiceYAML("payments", "timeout: 2s"), ruleYAML("payments", fiveInRow)
	elsewhere := strings.ReplaceAll(serviceYAML("ledger"), "namespace: shop", "namespace: books")
	q := Question{Faults: []injector.Fault{abort(injector.Upstream, 503, 100, 1)}, Edits: []injector.Edit{{Ref: injector.Ref{Kind: "EnvoyFilter", Namespace: "shop"}, Pods: []string{"payments-0"}}}}
	before := Check(q, shopWorld(t, route, rule, elsewhere)).Depends
	var objects []string
	for _, d := range before {
		objects = append(objects, d.Object)
	}
	want := []string{
		"DestinationRule shop/payments", "Pod shop/payments-0", "Service shop/payments", "VirtualService shop/payments",
		"mesh configuration", "number of hosts of payments.shop.svc.cluster.local:80",
	}
	if diff := cmp.Diff(want, objects); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, test := range []struct {
		name    string
		objects []string
		change  func(*World)
		want    []string
	}{
		{name: "nothing", objects: []string{route, rule, elsewhere}},
		{name: "something else", objects: []string{route, rule}},
		{name: "a timeout", objects: []string{strings.ReplaceAll(route, "2s", "3s"), rule}, want: []string{"VirtualService shop/payments is not as it was"}},
		{name: "no DestinationRule", objects: []string{route}, want: []string{"DestinationRule shop/payments is gone"}},
		{name: "a second VirtualService", objects: []string{route, rule, virtualServiceYAML("second", "timeout: 9s")}, want: []string{"VirtualService shop/second is new"}},
		{name: "another pod in its place", objects: []string{route, rule}, change: func(w *World) { w.Pods[1].UID = "another" }, want: []string{"Pod shop/payments-0 is not as it was"}},
		{name: "one pod more", objects: []string{route, rule, podYAML("payments-3", "payments", "v2")}, want: []string{"number of hosts of payments.shop.svc.cluster.local:80 is not as it was"}},
		{name: "the mesh", objects: []string{route, rule}, change: func(w *World) { w.Mesh = meshConfig(t, "defaultHttpRetryPolicy: {attempts: 5}") }, want: []string{"mesh configuration is not as it was"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := shopWorld(t, test.objects...)
			if test.change != nil {
				test.change(&w)
			}
			if diff := cmp.Diff(test.want, Changes(before, Check(q, w).Depends)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBlast(t *testing.T) {
	half := abort(injector.Upstream, 503, 50, 1)
	ramp, headers, all := abort(injector.Caller, 503, 100, 0), abort(injector.Caller, 503, 100, 0), abort(injector.Caller, 503, 100, 0)
	ramp.Ramp, headers.Headers, all.AllTraffic = []float64{1, 10}, map[string]string{"end-user": "jason"}, true
	edits := []injector.Edit{{Pods: []string{"payments-0"}}}
	for _, test := range []struct {
		fault injector.Fault
		want  string
	}{
		{half, "about 8.3 of the load's 50 requests a second (50% in 1 of 3 hosts), 41.7 in 5s, if each calls payments once; nobody else's"},
		{ramp, "about 50 of the load's 50 requests a second (1%, then 10%, then 100%), 250 in 5s, if each calls payments once; nobody else's"},
		{headers, "100% of all requests to shop/payments with end-user: jason, whoever sends them"},
		{all, "100% of ALL requests to shop/payments, whoever sends them"},
	} {
		q := Question{Faults: []injector.Fault{test.fault}, Edits: edits, Load: loadgen.Load{Rate: 50}, Duration: 5 * time.Second}
		if got := Check(q, shopWorld(t)).Reach[0].Blast; got != test.want {
			t.Errorf("found %s\nwant  %s", got, test.want)
		}
	}
}

func TestReach(t *testing.T) {
	for _, test := range []struct {
		reach Reach
		want  string
	}{
		{Reach{}, "no proxy that is known"},
		{Reach{Proxies: 1, Workloads: map[string]int{"shop/checkout": 1}}, "1 proxy (shop/checkout)"},
		{Reach{Proxies: 4, Workloads: map[string]int{"shop/payments": 3, "shop/checkout": 1}}, "4 proxies (shop/checkout, shop/payments × 3)"},
	} {
		if got := test.reach.String(); got != test.want {
			t.Errorf("found %s, want %s", got, test.want)
		}
	}
}
