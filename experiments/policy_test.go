package experiments

import (
	"encoding/json"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/observe"
)

func TestWhatAClusterLacks(t *testing.T) {
	written := clusterPolicy{
		ejection: &networking.OutlierDetection{
			Consecutive_5XxErrors: wrapperspb.UInt32(5), Interval: durationpb.New(time.Second),
			BaseEjectionTime: durationpb.New(90 * time.Second), MaxEjectionPercent: 50,
		},
		pool: &networking.ConnectionPoolSettings{Http: &networking.ConnectionPoolSettings_HTTPSettings{Http1MaxPendingRequests: 1000000}},
	}
	const outliers = `"outlier_detection": {"consecutive_5xx": 5, "interval": "1s", "base_ejection_time": "90s", "max_ejection_percent": 50}`
	const breakers = `"circuit_breakers": {"thresholds": [{"max_connections": 4294967295, "max_pending_requests": 1000000}]}`
	for cluster, want := range map[string]string{
		`{` + outliers + `, ` + breakers + `}`: "",
		`{` + breakers + `}`: "outlierDetection.consecutive5xxErrors is 5, and it has none, outlierDetection.interval is 1s, and it has none, " +
			"outlierDetection.baseEjectionTime is 1m30s, and it has none, outlierDetection.maxEjectionPercent is 50, and it has none",
		`{` + outliers + `}`: "connectionPool.http.http1MaxPendingRequests is 1000000, and it has none",
		`{"outlier_detection": {"consecutive_5xx": 7, "interval": "1.500s", "base_ejection_time": "90s", "max_ejection_percent": 50}, ` + breakers + `}`: "outlierDetection.consecutive5xxErrors is 5, and it has 7, outlierDetection.interval is 1s, and it has 1.500s",
	} {
		var read envoyCluster
		if err := json.Unmarshal([]byte(cluster), &read); err != nil {
			t.Fatal(err)
		}
		if got := written.lacks(read); got != want {
			t.Errorf("of %s\ngot  %s\nwant %s", cluster, got, want)
		}
		if got := (clusterPolicy{}).lacks(read); got != "" {
			t.Errorf("of nothing written: %s", got)
		}
	}
}

func TestPoliciesOfHops(t *testing.T) {
	rule := []string{"DestinationRule shop/payments"}
	ejecting := preflight.Policy{Objects: rule, Ejection: &preflight.Ejection{Written: &networking.OutlierDetection{}}}
	to := func(p preflight.Policy) []preflight.Route {
		return []preflight.Route{{Destination: []preflight.Destination{{Host: "payments.shop.svc.cluster.local", Port: 80, Subset: "v1", Policy: p}}}}
	}
	got := policiesOf([]preflight.Hop{
		{From: preflight.Caller{Namespace: "shop", Labels: map[string]string{"app": "checkout"}}, Routes: to(ejecting)},
		{From: preflight.Caller{Namespace: "shop", Gateway: "shop/public"}, Routes: to(ejecting)},
		{From: preflight.Caller{Namespace: "shop"}, Routes: to(preflight.Policy{Objects: rule})},
		{From: preflight.Caller{Namespace: "shop"}, Routes: to(preflight.Policy{Ejection: ejecting.Ejection})}, // the mesh's default
	})
	if len(got) != 1 || got[0].cluster != "outbound|80|v1|payments.shop.svc.cluster.local" || got[0].objects != rule[0] {
		t.Fatalf("got %+v", got)
	}
	for want, p := range map[bool]observe.Proxy{
		true:  {Namespace: "shop", Labels: map[string]string{"app": "checkout", "version": "v1"}},
		false: {Namespace: "shop", Labels: map[string]string{"app": "frontend"}},
	} {
		if got[0].isFor(p) != want {
			t.Errorf("%+v: want %t", p, want)
		}
	}
	if got[0].isFor(observe.Proxy{Namespace: "bank", Labels: map[string]string{"app": "checkout"}}) {
		t.Error("it is taken to be for another namespace")
	}
}
