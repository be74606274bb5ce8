package assertions_test

import (
	"testing"

	"github.com/onsi/gomega"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/observe"
)

func TestHaveTries(t *testing.T) {
	ten := load(10, 503)
	seen := func(mesh observe.Change) *phase { return &phase{load: ten, mesh: mesh} }
	// Two callers, and each request was tried three times.
	thrice := seen(change(
		proxy("checkout-1", host(1, "", 10, 10), host(2, "", 5, 5)),
		proxy("checkout-2", host(1, "", 8, 8), host(2, "", 7, 7)),
	))
	const evidence = "\n    payments: 10.0.0.1:8080 had 18 errors over 2 proxies and stayed in;" +
		" 10.0.0.2:8080 had 12 errors over 2 proxies and stayed in;" +
		" 30 requests, 30 errors over 2 hosts; load: 10 requests, 0.0% ok (503 ×10), p50 5ms, p99 10ms"
	elsewhere := host(1, "", 10, 0)
	elsewhere.Cluster = cluster("inventory", "")
	inbound := host(1, "", 10, 0)
	inbound.Cluster = observe.Cluster{Direction: observe.Inbound, Port: 8080}
	run(t, []check{
		{name: "holds", actual: thrice, matcher: HaveTries("payments", AtMost(3))},
		{name: "holds exactly", actual: thrice, matcher: HaveTries("payments.shop", gomega.Equal(3.0))},
		{name: "holds of the subsets together", matcher: HaveTries("payments", AtLeast(1.0)), actual: seen(change(
			proxy("checkout-1", host(1, "v1", 9, 0), host(2, "v2", 1, 0)),
		))},
		{name: "holds of no tries", matcher: HaveTries("payments", AtMost(0)), actual: seen(change(proxy("checkout-1", host(1, "", 0, 0))))},
		{name: "counts no other service", matcher: HaveTries("payments", AtMost(1)), actual: seen(change(
			proxy("checkout-1", host(1, "", 10, 0), elsewhere), proxy("payments-1", inbound),
		))},
		{name: "does not, and should not", not: true, actual: thrice, matcher: HaveTries("payments", AtMost(2.9))},
		{
			name: "fails of no tries", matcher: HaveTries("payments", AtLeast(1)), actual: seen(change(proxy("checkout-1", host(1, "", 0, 0)))),
			want: "Expected number of tries at payments per request to be at least 1, but it was 0\n" +
				"    payments: 0 requests, 0 errors over 1 host; load: 10 requests, 0.0% ok (503 ×10), p50 5ms, p99 10ms",
		},
		{
			name: "no tries that could be too many", open: true, matcher: HaveTries("payments", AtMost(1.5)),
			actual: seen(change(proxy("checkout-1", host(1, "", 0, 0)))),
			want:   "HaveTries has no samples: no proxy sent a request to payments",
		},
		{
			name: "too few", open: true, actual: thrice, matcher: HaveTries("payments", AtMost(1.05)),
			want: `HaveTries has too few samples: 10 requests, of which "number of tries at payments per request at most 1.05" needs 20`,
		},
		{
			name: "fails", actual: thrice, matcher: HaveTries("payments", AtMost(1.5)),
			want: "Expected number of tries at payments per request to be at most 1.5, but it was 3" + evidence,
		},
		{
			name: "holds and should not", not: true, actual: thrice, matcher: HaveTries("payments", AtLeast(2)),
			want: "Expected number of tries at payments per request not to be at least 2, but it was 3" + evidence,
		},
		{
			name: "misuse, only a load", actual: ten, matcher: HaveTries("payments", AtMost(1)),
			want: "HaveTries needs a value with MeshChange(), as an observe.Change, not loadgen.Result",
		},
		{
			name: "misuse, only a mesh", actual: thrice.mesh, matcher: HaveTries("payments", AtMost(1)),
			want: "HaveTries needs a value with LoadResult(), as a loadgen.Result, not observe.Change",
		},
		{
			name: "no service", actual: thrice, matcher: HaveTries("", AtMost(1)),
			want: `HaveTries takes the name of a service, as "payments" or "payments.shop", not ""`,
		},
		{
			name: "no requests", open: true, actual: &phase{mesh: thrice.mesh}, matcher: HaveTries("payments", AtMost(1)),
			want: "HaveTries has no samples: no requests were sent, or none ended",
		},
		{
			name: "no proxies", open: true, actual: seen(observe.Change{}), matcher: HaveTries("payments", AtMost(1)),
			want: "HaveTries has no samples: no proxy was observed",
		},
		{
			name: "no hosts", open: true, actual: thrice, matcher: HaveTries("inventory", AtMost(1)),
			want: "HaveTries has no samples: no proxy of 2 knows a host of inventory",
		},
	})
}
