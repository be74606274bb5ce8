package observe

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	paymentsCluster = Cluster{Direction: Outbound, Port: 80, Service: "payments.shop.svc.cluster.local"}
	checkout        = Proxy{Namespace: "shop", Pod: "checkout-1"}
	frontend        = Proxy{Namespace: "shop", Pod: "frontend-1"}
)

// at is a time some seconds after an arbitrary one.
func at(seconds int) time.Time {
	return time.Date(2026, 1, 2, 3, 4, seconds, 0, time.UTC)
}

// host is a host of payments with requests, of which some were errors.
func host(address string, requests, errors uint64) Host {
	return Host{
		Cluster: paymentsCluster, Address: address,
		Requests: requests, Success: requests - errors, Errors: errors,
	}
}

func ejected(h Host) Host {
	h.Ejected = true
	return h
}

func ejection(p Proxy, address string, begin time.Time, errors uint64, end time.Time) Ejection {
	return Ejection{Proxy: p, Cluster: paymentsCluster, Address: address, At: begin, Errors: errors, ReadmittedAt: end}
}

func TestSince(t *testing.T) {
	never := time.Time{}
	for name, test := range map[string]struct {
		before, after []Host
		want          []Host
		ejections     []Ejection
	}{
		"counters are differences": {
			before: []Host{host("a", 10, 1), host("b", 20, 0)},
			after:  []Host{host("a", 15, 3), host("b", 20, 0)},
			want:   []Host{host("a", 5, 2), host("b", 0, 0)},
		},
		"a new host counts from zero": {
			after: []Host{host("a", 15, 3)},
			want:  []Host{host("a", 15, 3)},
		},
		"a host that left counted nothing": {
			before: []Host{host("a", 15, 3)},
			want:   []Host{host("a", 0, 0)},
		},
		"a restart counts from zero": {
			before: []Host{host("a", 100, 50)},
			after:  []Host{host("a", 3, 1)},
			want:   []Host{host("a", 3, 1)},
		},
		"a restart that only the errors show": {
			before: []Host{host("a", 10, 5)},
			after:  []Host{host("a", 12, 1)},
			want:   []Host{host("a", 12, 1)},
		},
		"gauges are not differences": {
			before: []Host{{Cluster: paymentsCluster, Address: "a", Active: 7, Open: 9}},
			after:  []Host{{Cluster: paymentsCluster, Address: "a", Active: 2, Open: 3}},
			want:   []Host{{Cluster: paymentsCluster, Address: "a", Active: 2, Open: 3}},
		},
		"every counter is a difference": {
			before: []Host{{Cluster: paymentsCluster, Address: "a", Requests: 1, Success: 2, Errors: 3, Timeouts: 4, Connects: 5}},
			after:  []Host{{Cluster: paymentsCluster, Address: "a", Requests: 2, Success: 4, Errors: 6, Timeouts: 8, Connects: 10}},
			want:   []Host{{Cluster: paymentsCluster, Address: "a", Requests: 1, Success: 2, Errors: 3, Timeouts: 4, Connects: 5}},
		},
		"a restart that only the connections show": {
			before: []Host{{Cluster: paymentsCluster, Address: "a", Requests: 1, Connects: 5}},
			after:  []Host{{Cluster: paymentsCluster, Address: "a", Requests: 2, Connects: 1}},
			want:   []Host{{Cluster: paymentsCluster, Address: "a", Requests: 2, Connects: 1}},
		},
		"ejected": {
			before:    []Host{host("a", 10, 0)},
			after:     []Host{ejected(host("a", 15, 5))},
			want:      []Host{ejected(host("a", 5, 5))},
			ejections: []Ejection{ejection(checkout, "a", at(10), 5, never)},
		},
		"readmitted": {
			before:    []Host{ejected(host("a", 10, 5))},
			after:     []Host{host("a", 12, 5)},
			want:      []Host{host("a", 2, 0)},
			ejections: []Ejection{ejection(checkout, "a", at(0), 0, at(10))},
		},
		"out all the time": {
			before:    []Host{ejected(host("a", 10, 5))},
			after:     []Host{ejected(host("a", 10, 5))},
			want:      []Host{ejected(host("a", 0, 0))},
			ejections: []Ejection{ejection(checkout, "a", at(0), 0, never)},
		},
		"a new host that is out": {
			after:     []Host{ejected(host("a", 6, 5))},
			want:      []Host{ejected(host("a", 6, 5))},
			ejections: []Ejection{ejection(checkout, "a", at(10), 5, never)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := Snapshot{At: at(0), Proxies: []ProxyState{{Proxy: checkout, Hosts: test.before}}}
			after := Snapshot{At: at(10), Proxies: []ProxyState{{Proxy: checkout, Hosts: test.after}}}
			want := Change{
				From: at(0), To: at(10),
				Proxies:   []ProxyState{{Proxy: checkout, Hosts: test.want}},
				Ejections: test.ejections,
			}
			if diff := cmp.Diff(want, after.Since(before)); diff != "" {
				t.Errorf("Since (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSinceOfStats(t *testing.T) {
	before := Snapshot{Proxies: []ProxyState{{
		Proxy: checkout, Stats: map[string]uint64{"grew": 3, "stayed": 4, "went back": 9, "went": 1},
	}}}
	after := Snapshot{Proxies: []ProxyState{{
		Proxy: checkout, Stats: map[string]uint64{"grew": 5, "stayed": 4, "went back": 2, "came": 7},
	}}}
	want := map[string]uint64{"grew": 2, "stayed": 0, "went back": 2, "came": 7}
	if diff := cmp.Diff(want, after.Since(before).Proxies[0].Stats); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

func TestSinceOfProxies(t *testing.T) {
	old := ProxyState{Proxy: frontend, Hosts: []Host{host("a", 100, 0)}}
	born := ProxyState{Proxy: checkout, Hosts: []Host{host("a", 7, 1)}, Stats: map[string]uint64{"x": 2}}
	change := Snapshot{Proxies: []ProxyState{born}}.Since(Snapshot{Proxies: []ProxyState{old}})
	if diff := cmp.Diff([]ProxyState{born}, change.Proxies); diff != "" {
		t.Errorf("a proxy born since then counts from zero, one that is gone is left out (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Change{}, Snapshot{}.Since(Snapshot{})); diff != "" {
		t.Errorf("difference of nothing (-want +got):\n%s", diff)
	}
}

func TestChangeHosts(t *testing.T) {
	database := Host{Cluster: Cluster{Direction: Outbound, Port: 80, Service: "payments-db.shop.svc.cluster.local"}, Address: "c"}
	inbound := Host{Cluster: Cluster{Direction: Inbound, Port: 8080}, Address: "d"}
	change := Change{Proxies: []ProxyState{
		{Proxy: checkout, Hosts: []Host{host("a", 1, 0), inbound, database}},
		{Proxy: frontend, Hosts: []Host{host("a", 2, 0), host("b", 3, 0)}},
	}}
	want := []ProxyHost{{checkout, host("a", 1, 0)}, {frontend, host("a", 2, 0)}, {frontend, host("b", 3, 0)}}
	if diff := cmp.Diff(want, change.MeshChange().Hosts("payments")); diff != "" {
		t.Errorf("Hosts(payments) (-want +got):\n%s", diff)
	}
	if got := change.Hosts("orders"); got != nil {
		t.Errorf("Hosts(orders) = %v, want none", got)
	}
}

func TestEjectionsInOrder(t *testing.T) {
	other := paymentsCluster
	other.Subset = "v1"
	got := []Ejection{
		ejection(frontend, "a", at(2), 0, time.Time{}),
		ejection(checkout, "b", at(2), 0, time.Time{}),
		{Proxy: checkout, Cluster: other, Address: "a", At: at(2)},
		ejection(checkout, "a", at(2), 0, time.Time{}),
		ejection(frontend, "z", at(1), 0, time.Time{}),
	}
	want := []Ejection{got[4], got[2], got[3], got[1], got[0]} // "|v1|" is before "||"
	sortEjections(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ejections (-want +got):\n%s", diff)
	}
}

func TestHostIP(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.7:8080":     "10.0.0.7",
		"[fd00::7]:8080":    "fd00::7",
		"/var/run/app.sock": "",
		"":                  "",
	} {
		if got := (Host{Address: address}).IP(); got != want {
			t.Errorf("IP of %q = %q, want %q", address, got, want)
		}
	}
}
