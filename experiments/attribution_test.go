package experiments

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-mesh/faultline/observe"
)

// line is a logged request of checkout's proxy in a phase: its cluster, id and flag.
func line(p Phase, cluster, id, flag string) hit {
	return hit{at: p.From.Add(100 * time.Millisecond), cluster: cluster, id: id, flags: strings.Split(flag, ",")}
}

const (
	toCheckout = "inbound|8080||"
	toPayments = "outbound|80||payments.shop.svc.cluster.local"
)

// lines are so many requests of checkout's own, numbered from 0, and for each of
// them so many to payments, with the flag.
func lines(p Phase, own, each int, flag string) []hit {
	var all []hit
	for n := range own {
		all = append(all, line(p, toCheckout, fmt.Sprint(n), "-"))
		for range each {
			all = append(all, line(p, toPayments, fmt.Sprint(n), flag))
		}
	}
	return all
}

// checkoutCounted is what checkout's proxy counted: ten requests of its own, and those to payments.
func checkoutCounted(payments observe.Host) observe.ProxyState {
	payments.Cluster, payments.Address = outbound("payments.shop"), "10.0.0.1:8080"
	in := observe.Host{Cluster: observe.Cluster{Direction: observe.Inbound, Port: 8080}, Requests: 10, Success: 10}
	return observe.ProxyState{Proxy: sidecar("shop", "checkout-1"), Hosts: []observe.Host{payments, in}}
}

func known(n int) Figure { return Figure{N: n} }

func TestAttribute(t *testing.T) {
	r := &Report{Baseline: phase(BaselinePhase, 0, 2), During: phase(DuringPhase, 2, 5)}
	good := lines(r.Baseline, 10, 1, "-")
	without := func(hits []hit) []hit { // ids that the application does not forward
		hits = slices.Clone(hits)
		for i := range hits {
			if hits[i].cluster == toPayments {
				hits[i].id = fmt.Sprint("fresh ", i)
			}
		}
		return hits
	}
	leftBy := func(own string) []hit { // four of payments are left, and some of checkout's own
		hits := lines(r.During, 10, 1, "-")
		for i := range 4 {
			hits[2*i].flags, hits[2*i+1].flags = []string{own}, []string{"DC"}
		}
		return hits
	}
	const noLog = "there is no access log"
	for name, test := range map[string]struct {
		state   observe.ProxyState
		log     hopLog
		timeout Split
		retry   Split
	}{
		"a timeout of the mesh for each try, tried again by the mesh": {
			checkoutCounted(observe.Host{Requests: 30, Errors: 30, Timeouts: 30}),
			hopLog{baseline: good, during: lines(r.During, 10, 1, "UT")},
			Split{known(30), known(0)},
			Split{known(20), known(0)},
		},
		"the application loses patience": {
			checkoutCounted(observe.Host{Requests: 10, Success: 6}),
			hopLog{baseline: good, during: leftBy("-")},
			Split{known(0), known(4)},
			Split{known(0), known(0)},
		},
		"the application's own caller does": {
			checkoutCounted(observe.Host{Requests: 10, Success: 6}),
			hopLog{baseline: good, during: leftBy("DC")},
			Split{known(0), known(0)},
			Split{known(0), known(0)},
		},
		"one of them does, and ids are not forwarded": {
			checkoutCounted(observe.Host{Requests: 10, Success: 6}),
			hopLog{baseline: good, during: without(leftBy("DC"))},
			Split{known(0), Figure{Unknown: "4 were left, and so were 4 of the caller's own; the application does not forward x-request-id, by which they could be told apart"}},
			Split{known(0), known(0)},
		},
		"the application tries again": {
			checkoutCounted(observe.Host{Requests: 30, Errors: 30}),
			hopLog{baseline: good, during: lines(r.During, 10, 3, "-")},
			Split{known(0), known(0)},
			Split{known(0), known(20)},
		},
		"it does so without forwarding ids": {
			checkoutCounted(observe.Host{Requests: 30, Errors: 30}),
			hopLog{baseline: without(good), during: without(lines(r.During, 10, 3, "-"))},
			Split{known(0), known(0)},
			Split{known(0), known(20)},
		},
		"both try again": {
			checkoutCounted(observe.Host{Requests: 60, Errors: 60}),
			hopLog{baseline: good, during: lines(r.During, 10, 2, "URX")},
			Split{known(0), known(0)},
			Split{known(40), known(10)},
		},
		"it always calls twice": {
			checkoutCounted(observe.Host{Requests: 20, Errors: 1}),
			hopLog{baseline: lines(r.Baseline, 10, 2, "-"), during: lines(r.During, 10, 2, "-")},
			Split{known(0), known(0)},
			Split{known(0), known(0)},
		},
		"no host was tried": {
			checkoutCounted(observe.Host{Errors: 1}),
			hopLog{baseline: good, during: lines(r.During, 10, 1, "UH")},
			Split{known(0), known(0)},
			Split{known(0), known(0)},
		},
		"without a log, some were left": {
			checkoutCounted(observe.Host{Requests: 10, Success: 6}),
			hopLog{missing: noLog},
			Split{known(0), known(4)},
			Split{Figure{Unknown: noLog + ", and the sidecar does not export upstream_rq_retry"}, Figure{Unknown: noLog}},
		},
		"without a log, and only errors": {
			checkoutCounted(observe.Host{Requests: 30, Errors: 30, Timeouts: 30}),
			hopLog{missing: noLog},
			Split{known(30), Figure{Unknown: noLog}},
			Split{Figure{Unknown: noLog + ", and the sidecar does not export upstream_rq_retry"}, Figure{Unknown: noLog}},
		},
		"half of the log is missing": {
			checkoutCounted(observe.Host{Requests: 30, Errors: 30}),
			hopLog{baseline: good, during: lines(r.During, 5, 1, "-")},
			Split{known(0), known(0)},
			Split{
				Figure{Unknown: "the access log has 5 requests of the caller's own, and the sidecar counted 10"},
				Figure{Unknown: "the access log has 5 requests of the caller's own, and the sidecar counted 10"},
			},
		},
		"connections failed": {
			checkoutCounted(observe.Host{Requests: 10, Errors: 20, FailedConnects: 10}),
			hopLog{baseline: good, during: lines(r.During, 10, 1, "UF")},
			Split{known(0), known(0)},
			Split{Figure{Unknown: "connections failed, and tries that found none are not counted"}, known(0)},
		},
		"nothing before to compare with": {
			checkoutCounted(observe.Host{Requests: 10, Errors: 10}),
			hopLog{during: lines(r.During, 10, 1, "-")},
			Split{known(0), known(0)},
			Split{known(0), Figure{Unknown: "the baseline has no request of the caller's own to compare with"}},
		},
		"no fixed number before": {
			checkoutCounted(observe.Host{Requests: 10, Errors: 10}),
			hopLog{baseline: append(lines(r.Baseline, 3, 1, "-"), lines(r.Baseline, 3, 2, "-")...), during: lines(r.During, 10, 1, "-")},
			Split{known(0), known(0)},
			Split{known(0), Figure{Unknown: "in the baseline the application sent 9 for 6 of its own, which is no fixed number for each"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r.During.Mesh.Proxies = []observe.ProxyState{test.state}
			got := attribute(r, map[string]hopLog{"Pod shop/checkout-1": test.log})
			how := "host counters and access log"
			if test.log.missing != "" {
				how = "host counters"
			}
			want := []Attribution{{
				Caller: "Pod shop/checkout-1", Service: "payments.shop.svc.cluster.local", Timeouts: test.timeout, Retries: test.retry, How: how,
			}}
			if test.timeout == (Split{}) && test.retry == (Split{}) {
				want = nil // nothing to tell
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A hop where all went well is not worth a line; what a sidecar exports counts.
func TestAttributeTellsWhatThereIs(t *testing.T) {
	r := &Report{Baseline: phase(BaselinePhase, 0, 2), During: phase(DuringPhase, 2, 5)}
	r.During.Mesh.Proxies = []observe.ProxyState{checkoutCounted(observe.Host{Requests: 10, Success: 10})}
	if got := attribute(r, nil); got != nil {
		t.Errorf("got %v of a hop where all went well", got)
	}
	exports := checkoutCounted(observe.Host{Requests: 10, Success: 7, Errors: 3})
	exports.Stats = map[string]uint64{"cluster." + toPayments + ";.upstream_rq_retry": 3, "cluster.outbound|80||other.shop.svc.cluster.local;.upstream_rq_retry": 9}
	r.During.Mesh.Proxies = []observe.ProxyState{exports}
	got := attribute(r, nil)
	if len(got) != 1 {
		t.Fatalf("got %v", got)
	}
	const want = "Pod shop/checkout-1 to payments.shop: timeouts by the mesh 0, by the application not known: the access log was not read; " +
		"retries by the mesh 3, by the application not known: the access log was not read (host counters)"
	if got[0].String() != want {
		t.Errorf("got  %s\nwant %s", got[0], want)
	}
}

func TestHopLog(t *testing.T) {
	r := &Report{Baseline: phase(BaselinePhase, 0, 2), During: phase(DuringPhase, 3, 5)}
	between := hit{at: r.Baseline.To.Add(500 * time.Millisecond)}
	log := newHopLog([]hit{line(r.Baseline, toCheckout, "1", "-"), between, line(r.During, toCheckout, "2", "-"), {at: r.During.From.Truncate(time.Millisecond)}}, r)
	if len(log.baseline) != 1 || len(log.during) != 2 || log.missing != "" {
		t.Errorf("got %+v", log)
	}
	if log := newHopLog(nil, r); log.missing == "" {
		t.Errorf("got %+v of nothing", log)
	}
}
