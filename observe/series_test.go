package observe

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	retries     = "cluster.outbound|80||payments.shop.svc.cluster.local;.upstream_rq_retry"
	pendingOpen = "cluster.outbound|80||payments.shop.svc.cluster.local;.circuit_breakers.default.rq_pending_open"
)

func TestSeriesOfHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		f.set(checkout, host("a", 100, 3), host("idle", 50, 0))
		r := f.record(t.Context(), t, checkout)
		begin := time.Now()
		ms := func(n int) time.Time { return begin.Add(time.Duration(n) * time.Millisecond) }

		after(150 * time.Millisecond)
		busy := host("a", 110, 5)
		busy.Active, busy.Pending, busy.Timeouts, busy.FailedConnects = 4, 2, 1, 1
		f.set(checkout, busy, host("idle", 50, 0))
		after(300 * time.Millisecond) // read at 200, 300 and 400 ms
		f.set(checkout, host("a", 3, 1), host("idle", 50, 0), host("new", 7, 0))
		after(100 * time.Millisecond) // it had restarted
		mustCut(t, r)                 // a series goes on
		f.set(checkout, host("idle", 50, 0), host("new", 7, 0))
		after(100 * time.Millisecond) // its Pod is gone
		f.set(checkout, host("a", 2, 0), host("idle", 50, 0), host("new", 7, 0))
		after(100 * time.Millisecond)
		mustStop(t, r)

		want := Series{
			From: begin, To: ms(700), Step: DefaultInterval,
			Hosts: []HostSeries{
				{Proxy: checkout, Cluster: paymentsCluster, Address: "a", Points: []Point{
					{At: ms(200), Requests: 10, Errors: 2, Timeouts: 1, FailedConnects: 1, Active: 4, Pending: 2},
					{At: ms(500), Requests: 3, Errors: 1},
					{At: ms(700), Requests: 2},
				}},
				{Proxy: checkout, Cluster: paymentsCluster, Address: "new", Points: []Point{{At: ms(500), Requests: 7}}},
			},
		}
		if diff := cmp.Diff(want, r.Series()); diff != "" {
			t.Errorf("series (-want +got):\n%s", diff)
		}
	})
}

func TestSeriesOfStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		f.export(checkout, map[string]uint64{retries: 5, pendingOpen: 0, "cluster.xds-grpc.upstream_rq_retry": 9})
		r := f.record(t.Context(), t, checkout, frontend)
		begin := time.Now()
		s := func(n int) time.Time { return begin.Add(time.Duration(n) * time.Second) }
		after(1500 * time.Millisecond)
		f.export(checkout, map[string]uint64{retries: 8, pendingOpen: 1})
		after(time.Second)
		f.export(checkout, map[string]uint64{retries: 2, pendingOpen: 0})
		after(time.Second)
		mustStop(t, r)
		if f.asked[checkout.Pod] != 3 || f.asked[frontend.Pod] != 0 {
			t.Errorf("stats were read %v times, want 3 of the one that has any", f.asked)
		}
		got := r.Series().Stats
		want := []StatSeries{
			{
				Proxy: checkout, Name: pendingOpen, Cluster: paymentsCluster, Stat: "circuit_breakers.default.rq_pending_open", Gauge: true,
				Points: []StatPoint{{s(0), 0}, {s(2), 1}, {s(3), 0}},
			},
			{
				Proxy: checkout, Name: retries, Cluster: paymentsCluster, Stat: "upstream_rq_retry",
				Points: []StatPoint{{s(2), 3}, {s(3), 2}},
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
		if got[0].Total() != 1 || got[1].Total() != 5 {
			t.Errorf("totals %d and %d, want the largest value 1 and the sum 5", got[0].Total(), got[1].Total())
		}
	})
}

// A stat that appears while recording, as a route's with its statPrefix, counts
// from zero, and is read from then on.
func TestSeriesOfAStatThatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		r := f.record(t.Context(), t, checkout)
		after(time.Second)
		f.export(checkout, map[string]uint64{retries: 4})
		mustCut(t, r) // reads all stats
		after(1500 * time.Millisecond)
		mustStop(t, r)
		if got := r.Series().Stats; len(got) != 1 || got[0].Total() != 4 {
			t.Errorf("stats %+v, want one with 4", got)
		}
		if f.asked[checkout.Pod] == 0 {
			t.Error("the stats were not read again")
		}
	})
}

func TestSeriesHasGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		f.set(checkout, host("a", 0, 0))
		r := f.record(t.Context(), t, checkout)
		begin := time.Now()
		f.fail(checkout, errors.New("reset"))
		after(500 * time.Millisecond)
		f.fail(checkout, nil)
		f.set(checkout, host("a", 9, 0))
		after(time.Second)
		s := r.Series()
		if len(s.Gaps) != 1 || s.Gaps[0].Proxy.Pod != checkout.Pod || !s.Gaps[0].From.Equal(begin.Add(DefaultInterval)) || s.Gaps[0].To.IsZero() {
			t.Errorf("gaps %+v", s.Gaps)
		}
		if s.Hosts[0].Points[0].Requests != 9 {
			t.Errorf("points %+v: a gap must not cost counters", s.Hosts[0].Points)
		}
		f.fail(checkout, errors.New("gone"))
		after(time.Second)
		if s := r.Series(); len(s.Gaps) != 2 || !s.Gaps[1].To.IsZero() || s.To.After(begin.Add(1500*time.Millisecond)) {
			t.Errorf("an open gap: %+v, the last reading was at %s", s.Gaps, s.To)
		}
		if err := r.Stop(); err == nil {
			t.Error("Stop must tell of the gaps")
		}
	})
}

// However long, a track keeps so many points, and no count is lost.
func TestTrackIsBounded(t *testing.T) {
	const hosts, most, readings = 7, 200, 5000
	l := newLedger(checkout, nil, nil, at(0))
	l.track.most = most
	now := at(0)
	for n := range readings {
		now = now.Add(DefaultInterval)
		var read []Host
		for h := range hosts {
			one := host(fmt.Sprint(h), uint64(n+1)*3, uint64(n+1))
			one.Active = uint64(n % 9)
			read = append(read, one)
		}
		l.add(read, now)
		l.track.read(now)
		if l.track.count > most {
			t.Fatalf("%d points after %d readings", l.track.count, n)
		}
	}
	var s Series
	l.track.series(checkout, &s)
	if len(s.Hosts) != hosts || s.Step < time.Minute/100 {
		t.Fatalf("%d hosts, step %s", len(s.Hosts), s.Step)
	}
	kept := 0
	for _, h := range s.Hosts {
		requests, errors, active := uint64(0), uint64(0), uint64(0)
		for i, p := range h.Points {
			requests, errors, active = requests+p.Requests, errors+p.Errors, max(active, p.Active)
			if i > 0 && !p.At.After(h.Points[i-1].At) {
				t.Errorf("points out of order: %s after %s", p.At, h.Points[i-1].At)
			}
		}
		if requests != 3*readings || errors != readings || active != 8 {
			t.Errorf("%s: %d requests, %d errors, at most %d active", h.Address, requests, errors, active)
		}
		kept += len(h.Points)
	}
	if kept != l.track.count || kept < most/4 {
		t.Errorf("%d points are kept, %d counted, of %d", kept, l.track.count, most)
	}
}

func TestSnapshotsKeepNoTrack(t *testing.T) {
	l := newLedger(checkout, nil, nil, at(0))
	l.add([]Host{host("a", 5, 0)}, at(1))
	if l.track.count != 0 || len(l.track.hosts) != 0 {
		t.Errorf("%d points of a difference of snapshots", l.track.count)
	}
}

func TestSeriesBetween(t *testing.T) {
	s := Series{
		From: at(0), To: at(20), Step: time.Second,
		Hosts: []HostSeries{
			{Address: "a", Points: []Point{{At: at(1), Requests: 1}, {At: at(5), Requests: 2}, {At: at(10), Requests: 3}, {At: at(11), Requests: 4}}},
			{Address: "before", Points: []Point{{At: at(5), Requests: 1}}},
		},
		Stats: []StatSeries{{Name: "x", Points: []StatPoint{{at(4), 1}, {at(9), 2}}}, {Name: "after", Points: []StatPoint{{at(11), 1}}}},
		Ejections: []Ejection{
			ejection(checkout, "over", at(1), 0, at(4)), ejection(checkout, "open", at(2), 0, time.Time{}),
			ejection(checkout, "in", at(6), 0, at(7)), ejection(checkout, "later", at(11), 0, time.Time{}),
		},
		Gaps: []Gap{{checkout, at(1), at(4)}, {checkout, at(9), time.Time{}}, {checkout, at(12), at(13)}},
	}
	want := Series{
		From: at(5), To: at(10), Step: time.Second,
		Hosts:     []HostSeries{{Address: "a", Points: []Point{{At: at(10), Requests: 3}}}},
		Stats:     []StatSeries{{Name: "x", Points: []StatPoint{{at(9), 2}}}},
		Ejections: s.Ejections[1:3],
		Gaps:      s.Gaps[1:2],
	}
	if diff := cmp.Diff(want, s.Between(at(5), at(10))); diff != "" {
		t.Errorf("between (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Series{From: at(5), To: at(5)}, Series{From: at(0), To: at(5)}.Between(at(5), at(10))); diff != "" {
		t.Errorf("of nothing (-want +got):\n%s", diff)
	}
}

func TestParseStat(t *testing.T) {
	for name, want := range map[string]StatSeries{
		retries:     {Cluster: paymentsCluster, Stat: "upstream_rq_retry"},
		pendingOpen: {Cluster: paymentsCluster, Stat: "circuit_breakers.default.rq_pending_open", Gauge: true},
		"cluster.outbound|80||payments.shop.svc.cluster.local.upstream_rq_retry_overflow": {Cluster: paymentsCluster, Stat: "upstream_rq_retry_overflow"},
		"cluster.inbound|8080||;.upstream_rq_pending_overflow":                            {Cluster: Cluster{Direction: Inbound, Port: 8080}, Stat: "upstream_rq_pending_overflow"},
		"vhost.payments.shop:80.route.pay.v1.upstream_rq_timeout":                         {Route: "pay.v1", Stat: "upstream_rq_timeout"},
		"cluster.xds-grpc.upstream_rq_retry":                                              {},
		"cluster.outbound|80||payments.shop.svc.cluster.local;.upstream_rq_total":         {},
		"vhost.payments.shop:80.upstream_rq_timeout":                                      {},
		"http.outbound_0.0.0.0_80.downstream_rq_total":                                    {},
	} {
		got, ok := parseStat(name)
		if ok != (want.Stat != "") {
			t.Errorf("%s: %t", name, ok)
		}
		if want.Name = name; ok {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}
