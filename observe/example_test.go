package observe_test

import (
	"fmt"
	"time"

	"github.com/faultline-mesh/faultline/observe"
)

func ExampleParseCluster() {
	cluster, ok := observe.ParseCluster("outbound|80|v1|payments.shop.svc.cluster.local")
	fmt.Println(ok, cluster.Direction, cluster.Port, cluster.Subset)
	fmt.Println(cluster.Serves("payments"), cluster.Serves("payments-db"))

	_, ok = observe.ParseCluster("xds-grpc")
	fmt.Println(ok)
	// Output:
	// true outbound 80 v1
	// true false
	// false
}

func ExampleSnapshot_Since() {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	proxy := observe.Proxy{Namespace: "shop", Pod: "checkout-1"}
	payments, _ := observe.ParseCluster("outbound|80||payments.shop.svc.cluster.local")
	snapshot := func(at time.Time, host observe.Host) observe.Snapshot {
		host.Cluster, host.Address = payments, "10.0.0.7:8080"
		return observe.Snapshot{At: at, Proxies: []observe.ProxyState{{Proxy: proxy, Hosts: []observe.Host{host}}}}
	}
	before := snapshot(noon, observe.Host{Requests: 100, Success: 100})
	after := snapshot(noon.Add(time.Second), observe.Host{Requests: 105, Success: 100, Errors: 5, Ejected: true})

	change := after.Since(before)
	for _, h := range change.Hosts("payments") {
		fmt.Printf("%s sent %d requests to %s, %d failed\n", h.Proxy, h.Host.Requests, h.Host.Address, h.Host.Errors)
	}
	for _, e := range change.Ejections {
		fmt.Printf("%s ejected %s after %d errors\n", e.Proxy, e.Address, e.Errors)
	}
	// Output:
	// Pod shop/checkout-1 sent 5 requests to 10.0.0.7:8080, 5 failed
	// Pod shop/checkout-1 ejected 10.0.0.7:8080 after 5 errors
}
