package experiments

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// Hits of the baseline are somebody else's, at the upstream site only: at the
// caller's they name another route.
func TestHitsBefore(t *testing.T) {
	baseline := Phase{From: began, To: began.Add(time.Second)}
	at := func(after time.Duration, flag string) hit {
		return hit{at: began.Add(after), flags: []string{flag}, cluster: "inbound|8080||"}
	}
	log := []hit{
		at(-time.Second, "FI"), at(0, "FI"), at(time.Millisecond, "-"), at(2*time.Millisecond, "DI"),
		at(3*time.Millisecond, "FI"), at(time.Second, "FI"),
	}
	for name, test := range map[string]struct {
		hop  hop
		want int
	}{"upstream": {upstreamHop, 2}, "caller": {callerHop, 0}} {
		f := findingOf(test.hop, aborts(20)[0], reading{})
		if n := f.hitsBefore(log, baseline); n != test.want {
			t.Errorf("%s: %d hits before, want %d", name, n, test.want)
		}
	}
}

// Pods without a fault that is for all of them, and got requests.
func TestUnfaulted(t *testing.T) {
	to := func(address string, requests uint64) observe.ProxyHost {
		cluster, _ := observe.ParseCluster("outbound|80||payments.shop.svc.cluster.local")
		return observe.ProxyHost{Host: observe.Host{Cluster: cluster, Address: address, Requests: requests}}
	}
	var hosts []observe.Host
	for _, h := range []observe.ProxyHost{to("10.0.0.1:8080", 50), to("10.0.0.2:8080", 40), to("10.0.0.3:8080", 2)} {
		hosts = append(hosts, h.Host)
	}
	during := Phase{Mesh: observe.Change{Proxies: []observe.ProxyState{{Proxy: checkoutProxy, Hosts: hosts}}}}
	all := hop{
		fault:  injector.Fault{On: injector.Service{Namespace: "shop", Name: "payments"}, Site: injector.Upstream},
		makers: []observe.Proxy{{Namespace: "shop", Pod: "payments-1", IP: "10.0.0.1"}},
	}
	some, caller := all, all
	some.fault.Pods, caller.fault.Site = 1, injector.Caller
	if diff := cmp.Diff([]string{"10.0.0.2: 40"}, all.unfaulted(during)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, h := range map[string]hop{"one pod is meant": some, "made by the callers": caller} {
		if found := h.unfaulted(during); len(found) > 0 {
			t.Errorf("%s: found %v", name, found)
		}
	}
}

// As many requests without the load are not the load's.
func TestWhoMetAFaultOnAllTraffic(t *testing.T) {
	cluster, _ := observe.ParseCluster("outbound|80||payments.shop.svc.cluster.local")
	quiet := func(requests uint64) observe.Change {
		return observe.Change{From: began, To: began.Add(time.Second), Proxies: []observe.ProxyState{
			{Proxy: checkoutProxy, Hosts: []observe.Host{{Cluster: cluster, Address: "10.0.0.1:8080", Requests: requests}}},
		}}
	}
	during := Phase{From: began, To: began.Add(2 * time.Second)}
	for name, test := range map[string]struct {
		all     bool
		without uint64
		want    bool
	}{
		"others":              {true, 50, true},
		"the load":            {true, 0, false},
		"both":                {true, 10, false},
		"not for all traffic": {false, 50, false},
	} {
		h := hop{
			fault:  injector.Fault{On: injector.Service{Namespace: "shop", Name: "payments"}, Site: injector.Caller, AllTraffic: test.all},
			makers: []observe.Proxy{checkoutProxy},
		}
		f := findingOf(h, aborts(100)[0], logs(100, 100, 100))
		f.compareAll(quiet(test.without), during)
		if f.unmet != test.want {
			t.Errorf("%s: unmet is %t", name, f.unmet)
		}
	}
}

// What a draining listener still does is not held against a run.
func TestHitsOfAFaultThatWasJustTakenOut(t *testing.T) {
	for name, test := range map[string]struct {
		before, fired int
		reason        bool
	}{
		"none": {0, 10, false}, "one beside many": {1, 25, false}, "one beside few": {1, 2, true}, "more": {5, 100, true},
	} {
		r := proven()
		r.Evidence[0].Before, r.Evidence[0].Fired = test.before, test.fired
		if reason := hitBefore(outcome{Report: r}); (reason != "") != test.reason {
			t.Errorf("%s: %q", name, reason)
		}
	}
}
