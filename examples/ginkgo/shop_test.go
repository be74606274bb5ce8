package ginkgo

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/examples/shop/shopmesh"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/suites"
)

// With this every run has a guard, which takes the faults out even if this process
// is killed.
func TestMain(m *testing.M) { experiments.Main(m) }

func TestShop(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "shop")
}

// cluster is where the experiments run: any kubeconfig would do.
var cluster *rest.Config

var _ = BeforeSuite(func(ctx SpecContext) {
	mesh, stop, err := shopmesh.Start(ctx)
	DeferCleanup(stop)
	Expect(err).NotTo(HaveOccurred())
	cluster = mesh.Config()
}, NodeTimeout(20*time.Minute))

const gateway = "istio-system/istio-ingressgateway"

var _ = Describe("slow payments", Serial, Label("chaos"), func() {
	It("end in a 504 within the route's timeout, never later", func(ctx SpecContext) {
		report := suites.Run(ctx, cluster, experiments.Experiment{
			Title: "slow payments end in a 504 within the route's timeout",
			Faults: []injector.Fault{{
				On:     injector.Service{Namespace: "shop", Name: "payments"},
				Site:   injector.Upstream,
				Effect: injector.Delay{Fixed: 5 * time.Second, Percent: 100},
			}},
			Gateway:     gateway,
			Load:        loadgen.Load{URL: "http://shop.example/checkout", Rate: 60},
			Healthy:     []experiments.Matcher{HaveSuccessRate(AtLeast(0.99))},
			During:      []experiments.Matcher{HaveTimedOut(2 * time.Second), HaveStatus(504, AtLeast(0.99))},
			BlastRadius: injector.BlastRadius{Namespaces: []string{"shop"}},
			Settle:      2 * time.Second, Duration: 3 * time.Second, Recovery: 5 * time.Second,
		})
		Expect(report.Recovery).To(HaveLatency(P50, AtMost(500*time.Millisecond)))
	}, SpecTimeout(3*time.Minute), GracePeriod(experiments.DefaultRevertBudget))
})

var _ = Describe("the canary of recommendations", Serial, Label("routing"), func() {
	canary := func(title string, header map[string]string, share float64) experiments.Experiment {
		return experiments.Experiment{
			Title:       title,
			Gateway:     gateway,
			Load:        loadgen.Load{URL: "http://shop.example/checkout", Rate: 150, Header: header},
			SteadyState: []experiments.Matcher{HaveSuccessRate(AtLeast(0.99))},
			During:      []experiments.Matcher{HaveSplit("recommendations", "v2", share)},
			BlastRadius: injector.BlastRadius{Namespaces: []string{"shop"}},
			Settle:      time.Second, Duration: 4 * time.Second, Recovery: time.Second,
		}
	}

	It("is all that jason gets", func(ctx SpecContext) {
		suites.Run(ctx, cluster, canary("jason gets v2", map[string]string{"end-user": "jason"}, 1))
	}, SpecTimeout(time.Minute), GracePeriod(experiments.DefaultRevertBudget))

	It("is one answer in ten for everybody else", func(ctx SpecContext) {
		suites.Run(ctx, cluster, canary("the rest gets v2 one time in ten", nil, 0.1))
	}, SpecTimeout(time.Minute), GracePeriod(experiments.DefaultRevertBudget))
})
