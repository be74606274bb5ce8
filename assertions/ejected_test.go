package assertions_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/observe"
)

func TestHaveEjected(t *testing.T) {
	stayed := change(proxy("checkout-1", host(1, "", 300, 3), host(2, "", 300, 4), host(3, "", 300, 5)))
	const stayedIn = "\n    payments: 10.0.0.3:8080 had 5 errors and stayed in; 10.0.0.2:8080 had 4 errors and stayed in;" +
		" 10.0.0.1:8080 had 3 errors and stayed in; 900 requests, 12 errors over 3 hosts"
	quiet := change(proxy("checkout-1", host(1, "", 1, 0)))
	one := with(
		change(proxy("checkout-1", host(1, "", 300, 0), host(3, "", 5, 5))),
		ejection(3, time.Second, 0, 5),
	)
	other := ejection(4, time.Second, 0, 5)
	other.Cluster = cluster("inventory", "")
	// Host 3 by two proxies, host 2 and back again; host 1 was out before.
	many := with(
		change(
			proxy("checkout-1", host(1, "", 0, 0), host(2, "", 100, 7), host(3, "", 5, 5)),
			proxy("checkout-2", host(1, "", 2, 0), host(2, "", 100, 0), host(3, "", 6, 6)),
		),
		ejection(1, 0, 0, 5),
		ejection(3, time.Second, 0, 5), ejection(3, 2*time.Second, 0, 6), ejection(2, 3*time.Second, 4*time.Second, 1),
		other,
	)
	const twoOut = "\n    payments: 10.0.0.3:8080 was ejected after 5 errors, 2 times in all;" +
		" 10.0.0.2:8080 was ejected after 1 error; 10.0.0.1:8080 was out from the start;" +
		" 213 requests, 18 errors over 3 hosts"
	run(t, []check{
		{name: "holds", actual: one, matcher: HaveEjected("payments", AtLeast(1))},
		{name: "holds of a phase", actual: &phase{mesh: one}, matcher: HaveEjected("payments", AtMost(1))},
		{name: "holds of none", actual: stayed, matcher: HaveEjected("payments", AtMost(0))},
		{name: "counts hosts once", actual: many, matcher: HaveEjected("payments", gomega.Equal(2))},
		{name: "counts without requests", matcher: HaveEjected("payments", AtLeast(1)), actual: with(
			change(proxy("checkout-1", host(1, "", 0, 0))), ejection(1, time.Second, 0, 0),
		)},
		{name: "does not, and should not", not: true, actual: stayed, matcher: HaveEjected("payments", AtLeast(1))},
		{
			name: "fails", actual: stayed, matcher: HaveEjected("payments", AtLeast(1)),
			want: "Expected at least 1 host of payments to be ejected, but none was" + stayedIn,
		},
		{
			name: "fails, all well", actual: quiet, matcher: HaveEjected("payments", AtLeast(2)),
			want: "Expected at least 2 hosts of payments to be ejected, but none was\n" +
				"    payments: 1 request, 0 errors over 1 host",
		},
		{
			name: "fails of one", actual: one, matcher: HaveEjected("payments", AtMost(0)),
			want: "Expected at most 0 hosts of payments to be ejected, but 1 was\n" +
				"    payments: 10.0.0.3:8080 was ejected after 5 errors; 305 requests, 5 errors over 2 hosts",
		},
		{
			name: "fails of two", actual: many, matcher: HaveEjected("payments", AtMost(1)),
			want: "Expected at most 1 host of payments to be ejected, but 2 were" + twoOut,
		},
		{
			name: "another matcher fails", actual: quiet, matcher: HaveEjected("payments", gomega.Equal(1)),
			want: "Expected number of ejected hosts of payments to satisfy its matcher, but it was 0\n" +
				"    Expected\n        <int>: 0\n    to equal\n        <int>: 1\n" +
				"    payments: 1 request, 0 errors over 1 host",
		},
		{
			name: "holds and should not", not: true, actual: many, matcher: HaveEjected("payments", AtLeast(1)),
			want: "Expected not at least 1 host of payments to be ejected, but 2 were" + twoOut,
		},
		{
			name: "misuse", actual: observe.Snapshot{}, matcher: HaveEjected("payments", AtLeast(1)),
			want: "HaveEjected needs a value with MeshChange(), as an observe.Change, not observe.Snapshot",
		},
		{
			name: "nil", actual: (*phase)(nil), matcher: HaveEjected("payments", AtLeast(1)),
			want: "HaveEjected needs a value with MeshChange(), as an observe.Change, not a nil *assertions_test.phase",
		},
		{
			name: "no service", actual: one, matcher: HaveEjected("", AtLeast(1)),
			want: `HaveEjected takes the name of a service, as "payments" or "payments.shop", not ""`,
		},
		{
			name: "no proxies", open: true, actual: observe.Change{}, matcher: HaveEjected("payments", AtMost(0)),
			want: "HaveEjected has no samples: no proxy was observed",
		},
		{
			name: "no hosts", open: true, actual: one, matcher: HaveEjected("inventory", AtMost(0)),
			want: "HaveEjected has no samples: no proxy of 1 knows a host of inventory",
		},
		{
			name: "no requests", open: true, actual: change(proxy("checkout-1", host(1, "", 0, 0))), matcher: HaveEjected("payments", AtMost(0)),
			want: "HaveEjected has no samples: no proxy sent a request to payments",
		},
	})
}

func TestEvidenceStaysOneLine(t *testing.T) {
	run(t, []check{{
		name: "many hosts", matcher: HaveEjected("payments", AtLeast(1)),
		actual: change(proxy("checkout-1", host(1, "", 9, 5), host(2, "", 9, 4), host(3, "", 9, 3), host(4, "", 9, 2), host(5, "", 9, 1), host(6, "", 9, 0))),
		want: "Expected at least 1 host of payments to be ejected, but none was\n" +
			"    payments: 10.0.0.1:8080 had 5 errors and stayed in; 10.0.0.2:8080 had 4 errors and stayed in;" +
			" 10.0.0.3:8080 had 3 errors and stayed in; 2 more like that; 54 requests, 15 errors over 6 hosts",
	}})
}
