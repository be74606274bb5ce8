package preflight

import (
	"fmt"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/loadgen"
)

// thousand are the objects of a mesh with so many services, each with a
// VirtualService, a DestinationRule and two pods, all in one namespace, which is
// the worst case.
func thousand(services int, each func(document string)) {
	for i := range services {
		name := fmt.Sprintf("service-%d", i)
		each(fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: shop}
spec: {selector: {app: %[1]s}, ports: [{name: http, port: 80}]}`, name))
		each(fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %[1]s, namespace: shop}
spec:
  hosts: [%[1]s]
  http:
  - timeout: 2s
    retries: {attempts: 2, perTryTimeout: 500ms, retryOn: 5xx}
    route: [{destination: {host: %[1]s, subset: v1}, weight: 90}, {destination: {host: %[1]s, subset: v2}, weight: 10}]`, name))
		each(fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: %[1]s, namespace: shop}
spec:
  host: %[1]s
  trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5, interval: 1s, baseEjectionTime: 3s, maxEjectionPercent: 100}}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]`, name))
		for _, version := range []string{"v1", "v2"} {
			each(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %[1]s-%[2]s, namespace: shop, labels: {app: %[1]s, version: %[2]s}}
spec: {containers: [{name: app, image: none}, {name: istio-proxy, image: none}]}
status: {podIP: 10.%[3]d.%[4]d.1, phase: Running, conditions: [{type: Ready, status: "True"}]}`, name, version, i/250, i%250))
		}
	}
}

// amongMany asks about one of many services.
func amongMany() Question {
	return Question{
		Faults: []injector.Fault{{
			On: injector.Service{Namespace: "shop", Name: "service-500"}, Site: injector.Upstream,
			Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
		}},
		Claims: []Claimed{during(claim.Claim{Kind: claim.Ejected, Service: "service-500", Range: claim.AtLeast(1), Samples: 1})},
		Load:   loadgen.Load{URL: "http://shop.example/", Rate: 50},
		Settle: 5 * time.Second, Duration: 5 * time.Second, Recovery: 5 * time.Second,
	}
}

// BenchmarkCheck is the time to check an experiment in a mesh of 1,000 services,
// 1,000 VirtualServices, 1,000 DestinationRules and 2,000 pods.
func BenchmarkCheck(b *testing.B) {
	w := World{}
	thousand(1000, func(document string) {
		one := worldOf(b, document)
		w.Services = append(w.Services, one.Services...)
		w.VirtualServices = append(w.VirtualServices, one.VirtualServices...)
		w.DestinationRules = append(w.DestinationRules, one.DestinationRules...)
		w.Pods = append(w.Pods, one.Pods...)
	})
	q := amongMany()
	for b.Loop() {
		if r := Check(q, w); len(r.Refused()) > 0 || len(r.Hops) == 0 {
			b.Fatalf("%v, %v", r.Findings, r.Hops)
		}
	}
}
