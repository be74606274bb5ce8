package experiments

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

func TestOpenConnections(t *testing.T) {
	host := func(cluster observe.Cluster, address string, open uint64) observe.Host {
		return observe.Host{Cluster: cluster, Address: address, Open: open}
	}
	subset := outbound("payments.shop")
	subset.Subset = "v1"
	inbound := observe.Cluster{Direction: observe.Inbound, Port: 8080}
	snapshot := observe.Snapshot{Proxies: []observe.ProxyState{
		{Proxy: sidecar("shop", "checkout-1"), Hosts: []observe.Host{
			host(outbound("payments.shop"), "10.0.0.1:8080", 2),
			host(subset, "10.0.0.1:8080", 1),
			host(outbound("payments.shop"), "10.0.0.2:8080", 2), // not at the addresses
			host(outbound("payments.shop"), "10.0.0.3:8080", 0), // closed
			host(inbound, "10.0.0.1:8080", 5),                   // the pod's own
			host(outbound("payments.shop"), "unix:///tmp/x", 1),
		}},
		{Proxy: sidecar("bank", "ledger-1"), Hosts: []observe.Host{host(outbound("payments.shop"), "10.0.0.1:8080", 3)}},
	}}
	open := openConnections(snapshot, []string{"10.0.0.1", "10.0.0.3"})
	want := map[hostOf]uint64{
		{"Pod shop/checkout-1", "outbound|80||payments.shop.svc.cluster.local", "10.0.0.1:8080"}:   2,
		{"Pod shop/checkout-1", "outbound|80|v1|payments.shop.svc.cluster.local", "10.0.0.1:8080"}: 1,
		{"Pod bank/ledger-1", "outbound|80||payments.shop.svc.cluster.local", "10.0.0.1:8080"}:     3,
	}
	got := map[hostOf]uint64{}
	for key, h := range open {
		got[key] = h.Open
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if open := openConnections(snapshot, nil); len(open) != 0 {
		t.Errorf("without addresses: %v", open)
	}
}

func TestNotRenewed(t *testing.T) {
	a := hostOf{"Pod shop/checkout-1", "outbound|80||payments.shop.svc.cluster.local", "10.0.0.1:8080"}
	b := hostOf{"Pod shop/checkout-1", "outbound|80||payments.shop.svc.cluster.local", "10.0.0.2:8080"}
	host := func(connects, open uint64) observe.Host { return observe.Host{Connects: connects, Open: open} }
	old := map[hostOf]observe.Host{a: host(10, 2)}
	tests := []struct {
		name     string
		old, now map[hostOf]observe.Host
		want     uint64
	}{
		{"nothing was open", nil, map[hostOf]observe.Host{b: host(1, 1)}, 0},
		{"all closed", old, nil, 0},
		{"nothing happened", old, map[hostOf]observe.Host{a: host(10, 2)}, 2},
		{"one of two renewed", old, map[hostOf]observe.Host{a: host(11, 2)}, 1},
		{"one closed, the other as old as before", old, map[hostOf]observe.Host{a: host(10, 1)}, 1},
		{"one closed, the other renewed", old, map[hostOf]observe.Host{a: host(11, 1)}, 0},
		{"both renewed", old, map[hostOf]observe.Host{a: host(12, 2)}, 0},
		{"renewed and more", old, map[hostOf]observe.Host{a: host(15, 4)}, 0},
		{"more opened, and an old one kept", old, map[hostOf]observe.Host{a: host(12, 3)}, 1},
		{"the proxy began anew", old, map[hostOf]observe.Host{a: host(3, 3)}, 0},
		{
			"one host of two",
			map[hostOf]observe.Host{a: host(10, 1), b: host(5, 1)},
			map[hostOf]observe.Host{a: host(11, 1), b: host(5, 1)},
			1,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := notRenewed(test.old, test.now); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

func TestPodAddresses(t *testing.T) {
	trial := &trial{plan: injector.Plan{Edits: []injector.Edit{
		callerEdit(0, []string{"r"}), upstreamEdit(1, "faultline.7f3a", "payments-1", "payments-3"),
	}}}
	got := trial.podAddresses(observe.Snapshot{Proxies: []observe.ProxyState{
		{Proxy: sidecar("shop", "payments-1")},
		{Proxy: sidecar("shop", "payments-2")},
		{Proxy: sidecar("shop", "payments-3")},
		{Proxy: sidecar("bank", "payments-1")},
	}})
	if want := []string{"10.0.0.1", "10.0.0.3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A flush goes on while connections are renewed, and not for ever.
func TestPatience(t *testing.T) {
	begin := time.Now()
	waiting := newPatience(begin)
	for _, look := range []struct {
		after time.Duration
		left  uint64
		over  bool
	}{
		{0, 100, false},
		{flushBudget - 1, 100, false},
		{flushBudget - 1, 99, false}, // which gives it time
		{2*flushBudget - 2, 99, false},
		{2*flushBudget - 1, 99, true}, // nothing happened
		{2*flushBudget - 1, 98, false},
		{flushMost - 1, 97, false},
		{flushMost, 96, true},
	} {
		if got := waiting.over(begin.Add(look.after), look.left); got != look.over {
			t.Errorf("after %s with %d left: over is %t", look.after, look.left, got)
		}
	}
}

// Only connections to the pods of Upstream faults need to be renewed: without
// one, nothing is looked at, and nothing sent.
func TestFlushOfACallerFault(t *testing.T) {
	trial := &trial{plan: injector.Plan{Edits: []injector.Edit{callerEdit(0, []string{"r"})}}}
	if err := trial.flush(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFlushIsSpared(t *testing.T) {
	sent := map[string]string{"Host": "shop.example", "x-tester": "ada"}
	faults := []injector.Fault{{Headers: map[string]string{"X-Tester": "ada", "x-other": "1"}}}
	if got := spared(sent, faults); len(got) != 1 || got["Host"] != "shop.example" || len(sent) != 2 {
		t.Errorf("%v of %v are sent, want Host alone", got, sent)
	}
}
