package assertions_test

import (
	"testing"
	"time"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/observe"
)

func TestHaveReadmitted(t *testing.T) {
	const s = time.Second
	seen := change(proxy("checkout-1", host(1, "", 10, 0), host(2, "", 10, 5)))
	elsewhere := ejection(9, s, 0, 5)
	elsewhere.Cluster = cluster("inventory", "")
	back := with(seen, ejection(2, 5*s, 36*s, 5), elsewhere)
	half := with(seen, ejection(1, -2*s, 0, 5), ejection(2, 5*s, 36*s, 5))
	run(t, []check{
		{name: "holds", actual: back, matcher: HaveReadmitted("payments")},
		{name: "holds of one that was out before", actual: &phase{mesh: with(seen, ejection(1, -2*s, 30*s, 5))}, matcher: HaveReadmitted("payments")},
		{name: "does not, and should not", not: true, actual: half, matcher: HaveReadmitted("payments")},
		{
			name: "fails", actual: half, matcher: HaveReadmitted("payments"),
			want: "Expected all ejected hosts of payments to be readmitted, but 1 of 2 was still out\n" +
				"    payments: 10.0.0.1:8080 was out for 1m2s and still is; 10.0.0.2:8080 was back after 31s",
		},
		{
			name: "fails of one that is out again", matcher: HaveReadmitted("payments"),
			actual: with(seen, ejection(1, s, 31*s, 5), ejection(1, 32*s, 0, 5), ejection(2, 32*s, 0, 5)),
			want: "Expected all ejected hosts of payments to be readmitted, but 2 of 2 were still out\n" +
				"    payments: 10.0.0.1:8080 was out for 28s and still is; 10.0.0.2:8080 was out for 28s and still is;" +
				" 10.0.0.1:8080 was back after 30s",
		},
		{
			name: "holds of one and should not", not: true, actual: back, matcher: HaveReadmitted("payments"),
			want: "Expected an ejected host of payments to stay out, but the only one was readmitted\n" +
				"    payments: 10.0.0.2:8080 was back after 31s",
		},
		{
			name: "holds of more and should not", not: true, matcher: HaveReadmitted("payments"),
			actual: with(seen, ejection(1, s, 31*s, 5), ejection(2, s, 32*s+123456*time.Microsecond, 5)),
			want: "Expected an ejected host of payments to stay out, but all 2 were readmitted\n" +
				"    payments: 10.0.0.1:8080 was back after 30s; 10.0.0.2:8080 was back after 31.1s",
		},
		{
			name: "misuse", actual: load(1, 200), matcher: HaveReadmitted("payments"),
			want: "HaveReadmitted needs a value with MeshChange(), as an observe.Change, not loadgen.Result",
		},
		{
			name: "no service", actual: back, matcher: HaveReadmitted(""),
			want: `HaveReadmitted takes the name of a service, as "payments" or "payments.shop", not ""`,
		},
		{
			name: "nothing was ejected", open: true, actual: seen, matcher: HaveReadmitted("payments"),
			want: "HaveReadmitted has no samples: no host of payments was ejected",
		},
		{
			name: "no proxies", open: true, actual: observe.Change{}, matcher: HaveReadmitted("payments"),
			want: "HaveReadmitted has no samples: no proxy was observed",
		},
		{
			name: "no hosts", open: true, actual: with(change(proxy("checkout-1")), elsewhere), matcher: HaveReadmitted("inventory"),
			want: "HaveReadmitted has no samples: no proxy of 1 knows a host of inventory",
		},
	})
}
