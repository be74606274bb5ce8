package assertions_test

import (
	"math"
	"testing"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/observe"
)

func TestHaveSplit(t *testing.T) {
	// split is what two callers sent: v1 and v2 requests, the rest by no subset.
	split := func(v1, v2, rest uint64) observe.Change {
		return change(
			proxy("checkout-1", host(1, "v1", v1-v1/3, 0), host(2, "v2", v2, 0), host(1, "", rest, 0)),
			proxy("checkout-2", host(1, "v1", v1/3, 0)),
		)
	}
	canary := split(848, 152, 0)
	const evidence = "\n    payments: 152 of 1000 requests, so the share is from 10.2% to 21.4% (error 1 in a million);" +
		" no subset 0, subset v1 848, subset v2 152"
	run(t, []check{
		{name: "holds", actual: canary, matcher: HaveSplit("payments", "v2", 0.152)},
		{name: "holds of what chance may do", actual: canary, matcher: HaveSplit("payments.shop", "v2", 0.2)},
		{name: "holds of the other", actual: &phase{mesh: canary}, matcher: HaveSplit("payments", "v1", 0.85)},
		{name: "all", actual: split(30, 0, 0), matcher: HaveSplit("payments", "v1", 1)},
		{name: "none", actual: split(30, 0, 0), matcher: HaveSplit("payments", "v2", 0)},
		{name: "none of a subset nobody knows", actual: split(30, 0, 0), matcher: HaveSplit("payments", "v9", 0)},
		{name: "no subset", actual: split(0, 0, 30), matcher: HaveSplit("payments", "", 1)},
		{name: "does not, and should not", not: true, actual: canary, matcher: HaveSplit("payments", "v2", 0.1)},
		{
			name: "fails", actual: canary, matcher: HaveSplit("payments", "v2", 0.1),
			want: "Expected share of payments in subset v2 to be 10%, but it was 15.2%" + evidence,
		},
		{
			name: "holds and should not", not: true, actual: canary, matcher: HaveSplit("payments", "v2", 0.15),
			want: "Expected share of payments in subset v2 not to be 15%, but it was 15.2%" + evidence,
		},
		{
			name: "all but one are not all", actual: split(99_999, 1, 0), matcher: HaveSplit("payments", "v1", 1),
			want: "Expected share of payments in subset v1 to be 100%, but it was 99.999%\n" +
				"    payments: 99999 of 100000 requests, so the share is from 99.98% to 99.9999999995% (error 1 in a million);" +
				" no subset 0, subset v1 99999, subset v2 1",
		},
		{
			name: "one is not none", actual: split(9, 1, 0), matcher: HaveSplit("payments", "v2", 0),
			want: "Expected share of payments in subset v2 to be 0%, but it was 10%\n" +
				"    payments: 1 of 10 requests, so the share is from 0.000005% to 84.3% (error 1 in a million);" +
				" no subset 0, subset v1 9, subset v2 1",
		},
		{
			name: "traffic past the subsets counts", actual: split(0, 0, 200), matcher: HaveSplit("payments", "v2", 0.1),
			want: "Expected share of payments in subset v2 to be 10%, but it was 0%\n" +
				"    payments: 0 of 200 requests, so the share is from 0% to 7% (error 1 in a million);" +
				" no subset 200, subset v1 0, subset v2 0",
		},
		{
			name: "misuse", actual: load(1, 200), matcher: HaveSplit("payments", "v2", 0.1),
			want: "HaveSplit needs a value with MeshChange(), as an observe.Change, not loadgen.Result",
		},
		{
			name: "percent for a share", actual: canary, matcher: HaveSplit("payments", "v2", 10),
			want: "HaveSplit takes a share from 0 to 1, as 0.1 for 10%, not 10",
		},
		{
			name: "NaN for a share", actual: canary, matcher: HaveSplit("payments", "v2", math.NaN()),
			want: "HaveSplit takes a share from 0 to 1, as 0.1 for 10%, not NaN",
		},
		{
			name: "no service", actual: canary, matcher: HaveSplit("", "v2", 0.1),
			want: `HaveSplit takes the name of a service, as "payments" or "payments.shop", not ""`,
		},
		{
			name: "no proxies", open: true, actual: observe.Change{}, matcher: HaveSplit("payments", "v2", 0.1),
			want: "HaveSplit has no samples: no proxy was observed",
		},
		{
			name: "no hosts", open: true, actual: canary, matcher: HaveSplit("inventory", "v2", 0.1),
			want: "HaveSplit has no samples: no proxy of 2 knows a host of inventory",
		},
		{
			name: "no requests", open: true, actual: split(0, 0, 0), matcher: HaveSplit("payments", "v2", 1),
			want: "HaveSplit has no samples: no proxy sent a request to payments",
		},
		{
			name: "too few requests", open: true, actual: split(130, 7, 0), matcher: HaveSplit("payments", "v2", 0.1),
			want: "HaveSplit has too few samples: 137 requests to payments, of which a share of 10% can be judged from 138 on",
		},
		{name: "enough requests", actual: split(130, 8, 0), matcher: HaveSplit("payments", "v2", 0.1)},
	})
}
