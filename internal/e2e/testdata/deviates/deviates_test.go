package deviates

import (
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/clientcmd"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/suites"
)

func TestDeviates(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "one spec must fail")
}

var _ = DescribeTable("inventory is down", func(ctx SpecContext, share float64) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	Expect(err).NotTo(HaveOccurred())
	suites.Run(ctx, config, experiments.Experiment{
		Title: "customers can check out while inventory is down",
		Faults: []injector.Fault{{
			On:     injector.Service{Namespace: "shop", Name: "inventory"},
			Site:   injector.Caller,
			Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
		}},
		Gateway:     "istio-system/istio-ingressgateway",
		Load:        loadgen.Load{URL: "http://shop.example/checkout", Rate: 200},
		SteadyState: []experiments.Matcher{HaveSuccessRate(AtLeast(share))},
		Settle:      600 * time.Millisecond, Duration: 600 * time.Millisecond, Recovery: 600 * time.Millisecond,
	})
},
	Entry("and it matters", 0.99),
	Entry("and nobody cares", 0.0),
)
