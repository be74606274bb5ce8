package assertions_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/onsi/gomega"

	. "github.com/faultline-mesh/faultline/assertions"
)

// printing is gomega that prints what a test would fail with.
func printing() gomega.Gomega {
	return gomega.NewGomega(func(message string, _ ...int) { fmt.Println(message) })
}

// The phase of these examples stands for report.During: 1000 requests of which
// every other was answered with 503, sent while payments had a bad host.
func during() *phase {
	return &phase{
		load: slow(),
		mesh: change(proxy("checkout-1", host(1, "v1", 450, 0), host(2, "v1", 443, 7), host(3, "v2", 152, 5))),
	}
}

func ExampleHaveLatency() {
	printing().Expect(during()).To(HaveLatency(P99, AtMost(800*time.Millisecond)))
	// Output:
	// Expected p99 latency to be at most 800ms, but it was 989ms
	//     1000 requests, 50.0% ok (200 ×500, 503 ×500), p50 499ms, p99 989ms
}

func ExampleHaveSuccessRate() {
	printing().Expect(during()).To(HaveSuccessRate(AtLeast(0.99)))
	// Output:
	// Expected success rate to be at least 99%, but it was 50%
	//     1000 requests, 50.0% ok (200 ×500, 503 ×500), p50 499ms, p99 989ms
}

func ExampleHaveStatus() {
	printing().Expect(during()).To(HaveStatus(503, AtMost(0.01)))
	// Output:
	// Expected share of status 503 to be at most 1%, but it was 50%
	//     1000 requests, 50.0% ok (200 ×500, 503 ×500), p50 499ms, p99 989ms
}

func ExampleHaveTimedOut() {
	printing().Expect(during()).To(HaveTimedOut(time.Second))
	// Output:
	// Expected requests to time out within 1s, but none was answered with 504
	//     1000 requests, 50.0% ok (200 ×500, 503 ×500), p50 499ms, p99 989ms
}

func ExampleHaveDelayed() {
	printing().Expect(during()).To(HaveDelayed(900*time.Millisecond, 0.5))
	// Output:
	// Expected share of requests delayed by 900ms to be 50%, but it was 10%
	//     100 of 1000, so the share is from 5.97% to 15.3% (error 1 in a million); 1000 requests, 50.0% ok (200 ×500, 503 ×500), p50 499ms, p99 989ms
}

func ExampleHaveTries() {
	printing().Expect(during()).To(HaveTries("payments", AtMost(1)))
	// Output:
	// Expected number of tries at payments per request to be at most 1, but it was 1.04
	//     payments: 10.0.0.2:8080 had 7 errors and stayed in; 10.0.0.3:8080 had 5 errors and stayed in; 1045 requests, 12 errors over 3 hosts; load: 1000 requests, 50.0% ok (200 ×500, 503 ×500), p50 499ms, p99 989ms
}

func ExampleHaveEjected() {
	printing().Expect(during()).To(HaveEjected("payments", AtLeast(1)))
	// Output:
	// Expected at least 1 host of payments to be ejected, but none was
	//     payments: 10.0.0.2:8080 had 7 errors and stayed in; 10.0.0.3:8080 had 5 errors and stayed in; 1045 requests, 12 errors over 3 hosts
}

func ExampleHaveReadmitted() {
	recovery := with(during().mesh, ejection(3, -10*time.Second, 25*time.Second, 5))
	holds, err := HaveReadmitted("payments").Match(recovery)
	fmt.Println(holds, err)
	// Output: true <nil>
}

func ExampleHaveSplit() {
	printing().Expect(during()).To(HaveSplit("payments", "v2", 0.25))
	// Output:
	// Expected share of payments in subset v2 to be 25%, but it was 14.5%
	//     payments: 152 of 1045 requests, so the share is from 9.74% to 20.5% (error 1 in a million); subset v1 893, subset v2 152
}

func ExampleHavePromQL() {
	server := Prometheus{URL: "http://prometheus.istio-system:9090", BearerTokenEnv: "PROMETHEUS_TOKEN"}
	fmt.Println(HavePromQL(server, `sum(rate(istio_requests_total{response_code=~"5.."}[30s]))`, AtLeast(5)))
	// Output: promql sum(rate(istio_requests_total{response_code=~"5.."}[30s])) at least 5
}

func ExampleAtLeast() {
	printing().Expect(3).To(AtLeast(5))
	// Output: Expected 3 to be at least 5
}

func ExampleAtMost() {
	printing().Expect(989 * time.Millisecond).To(AtMost(800 * time.Millisecond))
	// Output: Expected 989ms to be at most 800ms
}

func ExampleNoSamples() {
	_, err := HaveSuccessRate(AtLeast(0.99)).Match(load(0))
	var none NoSamples
	fmt.Println(errors.As(err, &none), err)
	// Output: true HaveSuccessRate has no samples: no requests were sent, or none ended
}
