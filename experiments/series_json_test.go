package experiments

import (
	"time"

	"github.com/faultline-mesh/faultline/observe"
)

// shopSeries is what checkout's proxy counted of two hosts, with a gap.
func shopSeries() observe.Series {
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	checkout, payments := sidecar("shop", "checkout-1"), outbound("payments.shop")
	return observe.Series{
		From: began, To: at(12000), Step: 100 * time.Millisecond,
		Hosts: []observe.HostSeries{
			{Proxy: checkout, Cluster: payments, Address: "10.0.0.1:8080", Points: []observe.Point{
				{At: at(100), Requests: 5, Active: 2}, {At: at(3900), Requests: 5, Errors: 5, Timeouts: 1, FailedConnects: 1, Pending: 3},
			}},
			{Proxy: checkout, Cluster: payments, Address: "10.0.0.2:8080", Points: []observe.Point{{At: at(200), Requests: 7}}},
		},
		Stats: []observe.StatSeries{
			{
				Proxy: checkout, Name: "cluster.outbound|80||payments.shop.svc.cluster.local;.upstream_rq_retry", Cluster: payments,
				Stat: "upstream_rq_retry", Points: []observe.StatPoint{{At: at(4000), Value: 3}},
			},
			{
				Proxy: checkout, Name: "cluster.outbound|80||payments.shop.svc.cluster.local;.circuit_breakers.default.rq_open", Cluster: payments,
				Stat: "circuit_breakers.default.rq_open", Gauge: true, Points: []observe.StatPoint{{At: at(0)}, {At: at(4000), Value: 1}},
			},
			{
				Proxy: checkout, Name: "cluster.outbound|80||payments.shop.svc.cluster.local;.upstream_rq_retry_overflow", Cluster: payments,
				Stat: "upstream_rq_retry_overflow", // exported, and never rose
			},
		},
		Gaps: []observe.Gap{{Proxy: checkout, From: at(9000), To: at(10000)}, {Proxy: checkout, From: at(11000)}},
	}
}
