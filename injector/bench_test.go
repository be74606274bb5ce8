package injector

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// BenchmarkPlanOf500Routes plans a fault on an object with 500 routes: 5 ms at
// most.
func BenchmarkPlanOf500Routes(b *testing.B) {
	var routes []any
	for n := range 500 {
		routes = append(routes, object{
			"name":    fmt.Sprint("r", n),
			"match":   []any{object{"uri": object{"prefix": fmt.Sprint("/", n)}, "headers": object{"x-user": object{"exact": "ada"}}}},
			"route":   []any{object{"destination": object{"host": "payments", "subset": "v1"}, "weight": int64(100)}},
			"retries": object{"attempts": int64(3), "perTryTimeout": "1s"},
			"timeout": "10s",
		})
	}
	start := vs(b, "shop/payments", 1, "hosts: [payments]")
	setRoutes(start, routes)
	w := worldOf(append(decode(b, payments), start)...)
	r := request{run: testRun, by: testBy, until: testUntil, now: testNow, faults: []Fault{callerFault}}
	for b.Loop() {
		plan, err := makePlan(w, r)
		if err != nil || len(plan.Edits[0].Routes) != 500 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/plan")
}

// BenchmarkOwnerAmong10000 finds the owner among 10,000 VirtualServices, of which
// ten are for the host: 50 ms at most, once they are listed.
func BenchmarkOwnerAmong10000(b *testing.B) {
	var list []*unstructured.Unstructured
	for n := range 10_000 {
		host := fmt.Sprintf("service-%d, service-%d.example.com", n, n)
		if n%1000 == 0 {
			host = "payments.shop.svc.cluster.local"
		}
		list = append(list, vs(b, fmt.Sprintf("ns-%d/vs-%d", n%100, n), 1+n%28, "hosts: ["+host+"], gateways: [mesh, public]"))
	}
	for b.Loop() {
		owners, _, err := findOwners(list, question{on: onPayments, ports: []int64{80}, domain: DefaultClusterDomain})
		if err != nil || len(owners) != 1 {
			b.Fatal(owners, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/owner")
}
