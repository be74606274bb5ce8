package experiments

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

// sends is what a proxy counted to hosts of services, as "address of service": n.
func sends(p observe.Proxy, requests map[string]int) observe.ProxyState {
	state := observe.ProxyState{Proxy: p}
	for to, n := range requests {
		address, service, _ := strings.Cut(to, " of ")
		cluster := outbound(service)
		if service == "itself" {
			cluster = observe.Cluster{Direction: observe.Inbound, Port: 8080}
		}
		service, cluster.Subset, _ = strings.Cut(cluster.Service, "/")
		if cluster.Subset != "" {
			cluster = observe.Cluster{Direction: observe.Outbound, Port: 80, Subset: strings.TrimSuffix(cluster.Subset, ".svc.cluster.local"), Service: service + ".svc.cluster.local"}
		}
		state.Hosts = append(state.Hosts, observe.Host{Cluster: cluster, Address: address + ":8080", Requests: uint64(n)})
	}
	return state
}

// labelled is a sidecar with an address of its own.
func addressed(pod, ip string) observe.Proxy {
	return observe.Proxy{Namespace: "shop", Pod: pod, IP: ip}
}

// The cast: checkout calls inventory; ingress is a gateway before checkout.
var (
	checkoutProxy  = addressed("checkout-1", "10.0.0.1")
	inventoryProxy = addressed("inventory-1", "10.0.0.2")
	frontendProxy  = addressed("frontend-1", "10.0.0.3")
	ingressProxy   = observe.Proxy{Namespace: "istio-system", Pod: "ingress-1", IP: "10.0.1.1", Gateway: true}

	callerHop   = hop{fault: callerFault, makers: []observe.Proxy{checkoutProxy, inventoryProxy, frontendProxy}}
	upstreamHop = hop{fault: injector.Fault{On: onInventory, Effect: abortAll, Site: injector.Upstream}, makers: []observe.Proxy{inventoryProxy}}
)

func seen(states ...observe.ProxyState) observe.Change { return observe.Change{Proxies: states} }

func TestPlacement(t *testing.T) {
	subset := callerHop
	subset.fault.On.Subset = "v2"
	port := callerHop
	port.fault.On.Port = 81
	mesh := seen(
		sends(checkoutProxy, map[string]int{"10.0.0.2 of inventory.shop": 30, "10.0.0.2 of inventory.shop/v2": 4, "10.0.0.9 of payments.shop": 50}),
		sends(frontendProxy, map[string]int{"10.0.0.2 of inventory.shop": 0, "10.0.0.1 of checkout.shop": 34}),
		sends(inventoryProxy, map[string]int{"127.0.0.1 of itself": 34}),
		sends(ingressProxy, map[string]int{"10.0.0.2 of inventory.shop": 7}),
	)
	tests := []struct {
		name string
		hop  hop
		want Placement
		text string
	}{
		{
			"to the service, by those that make the fault", callerHop, Placement{
				Fault: callerFault.String(), Hop: "to shop/inventory", Knowing: 2, Requests: 34, Share: 1.7, Proxies: []Placed{{"Pod shop/checkout-1", 34}},
			}, "34 requests passed to shop/inventory, 1.70 for each of the load (Pod shop/checkout-1: 34)",
		},
		{
			"to a subset", subset, Placement{
				Fault: subset.fault.String(), Hop: "to shop/inventory subset v2", Knowing: 1, Requests: 4, Share: 0.2, Proxies: []Placed{{"Pod shop/checkout-1", 4}},
			}, "4 requests passed to shop/inventory subset v2, 0.20 for each of the load (Pod shop/checkout-1: 4)",
		},
		{
			"to a port that nobody knows", port,
			Placement{Fault: port.fault.String(), Hop: "to shop/inventory:81"},
			"0 requests passed to shop/inventory:81, in 0 proxies",
		},
		{
			"into the pods", upstreamHop, Placement{
				Fault: upstreamHop.fault.String(), Hop: "into pods of shop/inventory", Knowing: 1, Requests: 34, Share: 1.7,
				Proxies: []Placed{{"Pod shop/inventory-1", 34}},
			}, "34 requests passed into pods of shop/inventory, 1.70 for each of the load (Pod shop/inventory-1: 34)",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := test.hop.placement(Phase{Load: answers(20, 200), Mesh: mesh})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if got.String() != test.text {
				t.Errorf("got  %s\nwant %s", got, test.text)
			}
		})
	}
	if got := callerHop.placement(Phase{Mesh: mesh}); got.Share != 0 {
		t.Errorf("without load the share is %v", got.Share)
	}
}

// A load that passes where one of the faults is made is not lost.
func TestMissedHops(t *testing.T) {
	atCheckout := sends(checkoutProxy, map[string]int{"10.0.0.2 of inventory.shop": 1})
	idle := sends(checkoutProxy, map[string]int{"10.0.0.2 of inventory.shop": 0})
	subset := callerHop
	subset.fault.On.Subset = "v2"
	payments := hop{index: 1, fault: injector.Fault{On: onPayments, Site: injector.Caller}, makers: callerHop.makers}
	both := sends(checkoutProxy, map[string]int{"10.0.0.2 of inventory.shop": 0, "10.0.0.9 of payments.shop": 1})
	pods := sends(inventoryProxy, map[string]int{"127.0.0.1 of itself": 0})
	tests := []struct {
		name  string
		hops  []hop
		seen  observe.Change
		wants int
	}{
		{"passed", []hop{callerHop}, seen(atCheckout), 0},
		{"not passed", []hop{callerHop}, seen(idle), 1},
		{"nobody knows the service: the barrier tells that", []hop{callerHop}, seen(sends(checkoutProxy, nil)), 0},
		{"no proxy makes the fault", []hop{{fault: callerFault}}, seen(idle), 0},
		{"sent by a proxy that does not make it", []hop{callerHop}, seen(idle, sends(ingressProxy, map[string]int{"10.0.0.2 of inventory.shop": 9})), 1},
		{"another subset: chance decides which", []hop{subset}, seen(atCheckout), 0},
		{"one of two", []hop{callerHop, payments}, seen(both), 0},
		{"neither of two", []hop{callerHop, payments}, seen(idle, sends(frontendProxy, map[string]int{"10.0.0.9 of payments.shop": 0})), 2},
		{"not into the pods, but to the service: chance decides which", []hop{upstreamHop}, seen(pods, atCheckout), 0},
		{"not into the pods", []hop{upstreamHop}, seen(pods, idle), 1},
		{"no faults", nil, seen(idle), 0},
	}
	for _, test := range tests {
		if got := missedHops(test.hops, Phase{Mesh: test.seen}); len(got) != test.wants {
			t.Errorf("%s: got %v, want %d", test.name, got, test.wants)
		}
	}
}

// Where the load went instead, and what to do, by what is seen of it.
func TestLost(t *testing.T) {
	idle := sends(checkoutProxy, map[string]int{"10.0.0.2 of inventory.shop": 0})
	baseline := Phase{Load: answers(25, 200), Mesh: seen(idle, sends(inventoryProxy, map[string]int{"127.0.0.1 of itself": 0}))}
	const lost = "the load never reached the hop of the fault, so nothing was injected ("
	atCaller := lost + callerFault.String() + "): of 25 requests in the baseline, 0 were seen to shop/inventory in 1 proxy that would make the fault; "
	intoPods := lost + upstreamHop.fault.String() + "): of 25 requests in the baseline, 0 were seen into pods of shop/inventory in 1 proxy that would make the fault; "
	tests := []struct {
		name string
		hop  hop
		seen observe.Change
		want string
	}{
		{
			"by a gateway", callerHop, seen(idle, sends(ingressProxy, map[string]int{"10.0.0.2 of inventory.shop": 50})),
			atCaller + "of 50 more, 50 were sent there by Pod istio-system/ingress-1, a gateway, which has routes of its own: " +
				"name its Gateway in from.gateway, or put the fault one hop further on",
		},
		{
			"by a sidecar that is not meant",
			hop{fault: callerFault, makers: []observe.Proxy{checkoutProxy}},
			seen(idle, sends(frontendProxy, map[string]int{"10.0.0.2 of inventory.shop": 50})),
			atCaller + "of 50 more, 50 were sent there by Pod shop/frontend-1, in which the fault is not made: change from, so that it is among the callers",
		},
		{
			"now and then", callerHop, seen(sends(checkoutProxy, map[string]int{"10.0.0.2 of inventory.shop": 1})),
			atCaller + "of 50 more, 1 were seen there: it is called seldom; make settle longer, or raise load.rate",
		},
		{
			"by another name", callerHop, seen(
				sends(checkoutProxy, map[string]int{"10.0.0.2 of inventory.shop": 0, "10.0.0.2 of stock.shop": 50}),
				sends(inventoryProxy, map[string]int{"127.0.0.1 of itself": 50})),
			atCaller + "of 50 more, 50 went to its pods as shop/stock: put the fault on that service",
		},
		{
			"past the callers' sidecars", callerHop, seen(idle, sends(inventoryProxy, map[string]int{"127.0.0.1 of itself": 50})),
			atCaller + "of 50 more, 50 came into its pods, and no proxy sent them: the load bypasses the sidecars of the callers; let it enter by a gateway " +
				"(gateway, and from.gateway of the fault), call the service from a pod with a sidecar, or use site: upstream",
		},
		{
			"past the sidecar of the pod", upstreamHop, seen(idle, sends(inventoryProxy, map[string]int{"127.0.0.1 of itself": 0, "10.0.0.9 of payments.shop": 50})),
			intoPods + "of 50 more, none came into its pods through their proxies, yet these pods sent on 50: the load bypasses their sidecars, " +
				"straight to the port of the app; send it to the service or through a gateway",
		},
		{
			"to other services", callerHop, seen(idle, sends(frontendProxy, map[string]int{"10.0.0.1 of checkout.shop": 50, "10.0.0.9 of payments.shop": 60})),
			atCaller + "of 50 more, proxies sent to shop/payments: 60, shop/checkout: 50: does the app call the service for http://shop.example/checkout at all? " +
				"If it does so seldom, make settle longer",
		},
		{
			"out of the mesh", callerHop, seen(idle),
			atCaller + "of 50 more, no proxy of the mesh passed any: the load goes past the mesh, to 192.0.2.1:80; set gateway, or the URL of a service in it",
		},
	}
	load := loadgen.Load{URL: "http://shop.example/checkout", ConnectTo: "192.0.2.1:80"}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.hop.lost(baseline, trail{test.seen, 50, load}); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// A proxy that is not observed, and yet carries the load to where the fault is
// made, is one of those that make it; others are not.
func TestCarriedElsewhere(t *testing.T) {
	web := observe.Proxy{Namespace: "web", Pod: "web-1", IP: "10.0.2.1"}
	carries := sends(web, map[string]int{"10.0.0.2 of inventory.shop": 3})
	for _, test := range []struct {
		name string
		seen observe.Change
		want string
	}{
		{"by a sidecar", seen(carries), "web-1"},
		{"by one that is observed", seen(sends(sidecar("shop", "checkout-1"), map[string]int{"10.0.0.2 of inventory.shop": 3})), ""},
		{"by one that sends elsewhere", seen(sends(web, map[string]int{"10.0.0.2 of payments.shop": 3})), ""},
		{"by a gateway, in which the fault is not made", seen(sends(ingressProxy, map[string]int{"10.0.0.2 of inventory.shop": 3})), ""},
	} {
		trial := &trial{
			experiment: Experiment{Faults: []injector.Fault{callerFault}}, proxies: []observe.Proxy{sidecar("shop", "checkout-1")},
			plan: injector.Plan{Edits: []injector.Edit{callerEdit(0, []string{"faultline-7f3a-0"})}},
		}
		found := trial.carriedElsewhere(trial.hops()[0], test.seen)
		if got := podNames(trial.makers(0)[1:]); got != test.want || found != (test.want != "") {
			t.Errorf("%s: %t, %q; want %q", test.name, found, got, test.want)
		}
	}
}
