package gotest

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/examples/shop/shopmesh"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/meshtest"
)

// cluster is where the experiments run: any kubeconfig would do.
var cluster *rest.Config

// With experiments.Main every run has a guard, which takes the faults out even if
// this process is killed. On a cluster, experiments.Main(m) is all there is to it;
// here the tests have a mesh of this machine around them.
func TestMain(m *testing.M) {
	experiments.Main(shopmesh.Around(m, func(mesh *meshtest.Mesh) { cluster = mesh.Config() }))
}

// checkout is the shop as its customers reach it.
func checkout(rate float64) loadgen.Load {
	return loadgen.Load{URL: "http://shop.example/checkout", Rate: rate}
}

const gateway = "istio-system/istio-ingressgateway"

// The caller's proxy holds calls to recommendations: that tests checkout's own
// timeout and fallback.
func TestSlowRecommendations(t *testing.T) {
	report := experiments.Test(t, cluster, experiments.Experiment{
		Title: "checkout answers in time, by its fallback, while recommendations is slow",
		Faults: []injector.Fault{{
			On:     injector.Service{Namespace: "shop", Name: "recommendations"},
			Site:   injector.Caller,
			Effect: injector.Delay{Fixed: 2 * time.Second, Percent: 100},
		}},
		Gateway: gateway, Load: checkout(50),
		SteadyState: []experiments.Matcher{
			HaveSuccessRate(AtLeast(0.99)), HaveLatency(P99, AtMost(800*time.Millisecond)),
		},
		BlastRadius: injector.BlastRadius{Namespaces: []string{"shop"}},
		Settle:      2 * time.Second, Duration: 4 * time.Second, Recovery: 2 * time.Second,
	})
	NewWithT(t).Expect(report.During).To(HaveLatency(P50, AtLeast(290*time.Millisecond)))
}

// One payments pod fails at its own proxy: that tests the mesh's outlier detection
// and retries.
func TestPaymentsPodFails(t *testing.T) {
	experiments.Test(t, cluster, experiments.Experiment{
		Title: "a failing payments pod is ejected, customers do not notice, and it is readmitted",
		Faults: []injector.Fault{{
			On:   injector.Service{Namespace: "shop", Name: "payments"},
			Site: injector.Upstream, Pods: 1,
			Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
		}},
		Gateway: gateway, Load: checkout(50),
		SteadyState: []experiments.Matcher{HaveSuccessRate(AtLeast(0.99))},
		During:      []experiments.Matcher{HaveEjected("payments", AtLeast(1)), HaveTries("payments", AtMost(1.5))},
		Recovered:   []experiments.Matcher{HaveReadmitted("payments")},
		BlastRadius: injector.BlastRadius{Namespaces: []string{"shop"}, MaxPods: 1},
		Settle:      2 * time.Second, Duration: 2500 * time.Millisecond, Recovery: 5 * time.Second,
	})
}

// Every payments pod fails one request in five: that tests the mesh's retries.
func TestFlakyPayments(t *testing.T) {
	experiments.Test(t, cluster, experiments.Experiment{
		Title: "retries hide flaky payments, at a bounded price",
		Faults: []injector.Fault{{
			On:     injector.Service{Namespace: "shop", Name: "payments"},
			Site:   injector.Upstream,
			Effect: injector.Abort{HTTPStatus: 503, Percent: 20},
		}},
		Gateway: gateway, Load: checkout(80),
		SteadyState: []experiments.Matcher{HaveSuccessRate(AtLeast(0.95))},
		During:      []experiments.Matcher{HaveTries("payments", AtLeast(1.1)), HaveTries("payments", AtMost(1.6))},
		BlastRadius: injector.BlastRadius{Namespaces: []string{"shop"}},
		Settle:      2 * time.Second, Duration: 5 * time.Second, Recovery: 3 * time.Second,
	})
}
