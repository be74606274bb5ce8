package preflight

import (
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/claim"
)

func split(samples int) Claimed {
	return during(claim.Claim{Kind: claim.Split, Service: "payments", Subset: "v2", Range: claim.Range{Low: 0.1, High: 0.1}, Samples: samples})
}

func lasting(d time.Duration) func(*Question) {
	return func(q *Question) { q.Duration = d }
}

func TestTooFewRequests(t *testing.T) {
	rate := Claimed{
		Claim: claim.Claim{Kind: claim.SuccessRate, Range: claim.AtLeast(0.99), Samples: 100}, Field: "steadyState[0]",
		Phases: []Phase{Baseline, During, Recovery},
	}
	runRule(t, "too-few-requests", true, []ruleCase{
		{
			name: "a split of 10 %", claims: []Claimed{split(138)}, change: lasting(2 * time.Second),
			want: "during[0]: needs 138 requests to judge a split of 10%, and 2s at 50/s send 100: make duration 2.8s, or load.rate 69.",
		},
		{
			name: "a success rate in one phase", claims: []Claimed{rate}, change: func(q *Question) { q.Settle = time.Second },
			want: "steadyState[0]: needs 100 requests to judge a success rate of 99%, and 1s at 50/s send 50: make settle 2s, or load.rate 100.",
		},
		{name: "enough", claims: []Claimed{split(138), rate}},
		{name: "just enough", claims: []Claimed{split(250)}},
	})
}

func TestEjectionTooRare(t *testing.T) {
	of := func(percent float64) []injector.Fault {
		return []injector.Fault{abort(injector.Upstream, 503, percent, 1)}
	}
	rule := []string{ruleYAML("payments", fiveInRow)}
	runRule(t, "ejection-too-rare", true, []ruleCase{
		{
			name: "one in five fails", faults: of(20), claims: []Claimed{ejected(1)}, objects: rule,
			want: "during[0]: needs about 11715 requests until one of 3 hosts has had 5 errors in a row (20% of its requests fail, so that takes 3905 requests of its own, on average), " +
				"and 5s at 50/s send 250. Set the percent of the fault to 100, or make duration 3m55s.",
		},
		{
			name: "a million requests", faults: of(5), claims: []Claimed{ejected(1)}, objects: rule,
			want: "during[0]: needs about 10105260 requests until one of 3 hosts has had 5 errors in a row (5% of its requests fail, so that takes 3368420 requests of its own, on average), " +
				"and 5s at 50/s send 250. Set the percent of the fault to 100, or make duration 56h8m26s.",
		},
		{
			name: "too short", faults: of(100), claims: []Claimed{ejected(1)}, objects: rule, change: lasting(200 * time.Millisecond),
			want: "during[0]: needs 15 requests until one of 3 hosts has had 5 errors in a row, and 200ms at 50/s send 10: make duration 300ms, or load.rate 75.",
		},
		{name: "all fail", faults: of(100), claims: []Claimed{ejected(1)}, objects: rule},
		{name: "nothing ejects", faults: of(20), claims: []Claimed{ejected(1)}},
	})
	runRule(t, "ejection-too-rare", false, []ruleCase{
		{
			name: "not in every run", faults: of(70), claims: []Claimed{ejected(1)}, objects: rule, change: lasting(2 * time.Second),
			want: "during[0]: needs about 50 requests until one of 3 hosts has had 5 errors in a row (70% of its requests fail, so that takes 17 requests of its own, on average), " +
				"and 2s at 50/s send 100: one run in some will not see it. Set the percent of the fault to 100, or make duration 3s.",
		},
		{name: "in nearly every run", faults: of(70), claims: []Claimed{ejected(1)}, objects: rule},
	})
}

func TestReadmissionTooLate(t *testing.T) {
	f := []injector.Fault{abort(injector.Upstream, 503, 100, 1)}
	claims := []Claimed{readmitted()}
	lengths := func(during, recovery time.Duration) func(*Question) {
		return func(q *Question) { q.Duration, q.Recovery = during, recovery }
	}
	rule := []string{ruleYAML("payments", fiveInRow)}
	runRule(t, "readmission-too-late", true, []ruleCase{
		{
			name: "Istio's 30 s", faults: f, claims: claims, objects: []string{outlier("maxEjectionPercent: 50")},
			want: "recovered[0]: DestinationRule shop/payments: asserts that hosts are taken back, and that comes after the end of the run: " +
				"an ejection lasts 30s (baseEjectionTime) and up to 10s (interval) more, and recovery is 5s. Make recovery 36s.",
		},
		{name: "in time", faults: f, claims: claims, objects: rule, change: lengths(2500*time.Millisecond, 5*time.Second)},
		{name: "no claim", faults: f, objects: []string{outlier("maxEjectionPercent: 50")}},
		{name: "no block", faults: f, claims: claims},
	})
	runRule(t, "readmission-too-late", false, []ruleCase{
		{
			name: "the sweep may come late", faults: f, claims: claims, objects: rule, change: lengths(time.Second, 2500*time.Millisecond),
			want: "recovered[0]: DestinationRule shop/payments: asserts that hosts are taken back, and recovery, which is 2.5s, may end before: " +
				"an ejection lasts 3s (baseEjectionTime) and up to 1s (interval) more. Make recovery 3.5s.",
		},
		{
			name: "ejected again", faults: f, claims: claims, objects: rule, change: lengths(5*time.Second, 5*time.Second),
			want: "recovered[0]: DestinationRule shop/payments: asserts that hosts are taken back, and recovery, which is 5s, may end before: " +
				"an ejection lasts 3s (baseEjectionTime) and up to 1s (interval) more, and a host that comes back while it still fails, as it does within the 5s of duration, " +
				"is ejected again for longer: 6s in the end. Make recovery 7.5s, or duration less than 3s.",
		},
	})
}

func TestNeedsAreTold(t *testing.T) {
	test := ruleCase{faults: []injector.Fault{abort(injector.Upstream, 503, 100, 1)}, claims: []Claimed{ejected(1), split(138)}}
	var lines []string
	for _, n := range Check(test.question(), shopWorld(t, ruleYAML("payments", fiveInRow))).Needs {
		lines = append(lines, n.String())
	}
	const want = `during[0]: 1 request to judge it, of 250 that are sent in the phase during
during[0]: 15 requests until one of 3 hosts has had 5 errors in a row, of 250 that are sent in the phase during
during[0]: 138 requests to judge a split of 10%, of 250 that are sent in the phase during`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("found\n%s\nwant\n%s", got, want)
	}
}

func TestAdviceForeignRequests(t *testing.T) {
	all := abort(injector.Upstream, 503, 100, 1)
	all.AllTraffic = true
	rule := []string{ruleYAML("payments", fiveInRow)}
	runRule(t, "advice-foreign-requests", false, []ruleCase{
		{
			name: "the run's requests alone", faults: []injector.Fault{abort(injector.Upstream, 503, 100, 1)}, claims: []Claimed{ejected(1)}, objects: rule,
			want: "during[0]: only requests in the fault's scope fail, and 5 errors in a row are counted over all requests of a caller's proxy to a host. " +
				"While others send as many, which succeed, it takes about 62 requests on one host, not 5; and a host that is ejected is so for them, too. " +
				"Run it where nobody else calls payments, or with allTraffic: true.",
		},
		{name: "all traffic", faults: []injector.Fault{all}, claims: []Claimed{ejected(1)}, objects: rule},
		{name: "no claim", faults: []injector.Fault{abort(injector.Upstream, 503, 100, 1)}, objects: rule},
	})
}
