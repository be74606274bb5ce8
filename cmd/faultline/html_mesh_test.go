package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/observe"
)

// plotted is a report of a run of 12 s in which checkout ejects a host of payments.
func plotted() *experiments.Report {
	began := time.Date(2026, 11, 23, 5, 46, 0, 0, time.UTC)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	checkout := observe.Proxy{Namespace: "shop", Pod: "checkout-1"}
	payments := observe.Cluster{Direction: observe.Outbound, Port: 80, Service: "payments.shop.svc.cluster.local"}
	inventory, inbound := payments, observe.Cluster{Direction: observe.Inbound, Port: 8080}
	inventory.Service = "inventory.shop.svc.cluster.local"
	return &experiments.Report{
		Name: "payments-pod-fails", Title: "a failing <pod> is ejected", Run: "7f3a0011", Verdict: experiments.Held, Reason: "all held",
		Baseline: experiments.Phase{Name: experiments.BaselinePhase, From: at(0), To: at(4000)},
		During:   experiments.Phase{Name: experiments.DuringPhase, From: at(4500), To: at(8000)},
		Recovery: experiments.Phase{Name: experiments.RecoveryPhase, From: at(8500), To: at(12000)},
		Series: observe.Series{
			From: at(-1000), To: at(12000), Step: 100 * time.Millisecond,
			Hosts: []observe.HostSeries{
				{Proxy: checkout, Cluster: inventory, Address: "10.0.0.9:8080", Points: []observe.Point{{At: at(2000), Requests: 900}}},
				{Proxy: checkout, Cluster: payments, Address: "10.0.0.1:8080", Points: []observe.Point{
					{At: at(-500), Requests: 50, Active: 4}, {At: at(4600), Requests: 5, Errors: 5, Timeouts: 2},
				}},
				{Proxy: checkout, Cluster: payments, Address: "10.0.0.2:8080", Points: []observe.Point{{At: at(1000), Requests: 7, Active: 9}, {At: at(12010), Requests: 1}}},
				{Proxy: checkout, Cluster: inbound, Address: "127.0.0.1:8080", Points: []observe.Point{{At: at(1000), Requests: 7}}},
			},
			Ejections: []observe.Ejection{
				{Proxy: checkout, Cluster: payments, Address: "10.0.0.1:8080", At: at(4700), Errors: 5, ReadmittedAt: at(8700)},
				{Proxy: checkout, Cluster: payments, Address: "10.0.0.2:8080", At: at(11000)},
			},
			Stats: []observe.StatSeries{
				{Proxy: checkout, Cluster: payments, Stat: "upstream_rq_retry", Points: []observe.StatPoint{{At: at(5000), Value: 3}}},
				{Proxy: checkout, Cluster: payments, Stat: "upstream_rq_retry_overflow"},
			},
		},
	}
}

func TestMeshPlots(t *testing.T) {
	plots := newMeshPlots(plotted())
	if len(plots) != 2 || plots[0].Service != "payments.shop" || plots[1].Service != "inventory.shop" {
		t.Fatalf("got %+v, want payments, which had trouble, and then inventory", plots)
	}
	rows := plots[0].Rows
	if len(rows) != 2 || rows[0].Text != "5 requests, 5 errors, 2 timeouts, at most 4 on their way, ejected 1×" ||
		rows[1].Text != "8 requests, 0 errors, at most 9 on their way, ejected 1×" {
		t.Fatalf("rows %+v", rows)
	}
	if out := rows[0].Out[0]; out.X != 352.5 || out.Width != 300 || out.Text != "out for Pod shop/checkout-1 from 05:46:04 to 05:46:08, 4.0s" {
		t.Errorf("ejected: %+v", out)
	}
	if out := rows[1].Out[0]; out.X != 825 || out.Width != 75 || out.Text != "out for Pod shop/checkout-1 from 05:46:11, and not back" {
		t.Errorf("ejected to the end: %+v", out)
	}
	if got := plots[0].Stats; len(got) != 1 || got[0] != "upstream_rq_retry of Pod shop/checkout-1: 3" {
		t.Errorf("stats %q", got)
	}
	for _, b := range rows[1].Bars {
		if b.X < 0 || b.X >= plotWidth || b.Y < rows[1].Y || b.Y+b.Height > rows[1].Y+rowHeight+0.1 {
			t.Errorf("bar %+v is out of its row", b)
		}
	}
	if len(rows[0].Bars) != 2 || rows[0].Bars[1].Class != "bad" {
		t.Errorf("bars %+v: one of requests and one of errors; what was before the baseline is not shown", rows[0].Bars)
	}
	if plots[1].Rows[0].Active != "" {
		t.Error("a line of requests on their way where there were none")
	}
}

func TestMeshPlotsOfNothing(t *testing.T) {
	for name, r := range map[string]*experiments.Report{
		"no phase": {Series: plotted().Series}, "no series": {Baseline: plotted().Baseline}, "neither": {},
	} {
		if got := newMeshPlots(r); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestReportShowsTheMesh(t *testing.T) {
	dir := t.TempDir()
	r := plotted()
	r.Attribution = []experiments.Attribution{{Caller: "Pod shop/checkout-1", Service: "payments.shop.svc.cluster.local", How: "host counters"}}
	if err := writeReports(dir, []result{{experiment: experiments.Experiment{Name: r.Name}, report: r}}); err != nil {
		t.Fatal(err)
	}
	html, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"What the proxies counted", `<figcaption>payments.shop`, "10.0.0.1:8080: 5 requests, 5 errors", `class="out"`, `<polyline class="active"`,
		"upstream_rq_retry of Pod shop/checkout-1: 3", "Pod shop/checkout-1 to payments.shop: timeouts by the mesh 0", "a failing &lt;pod&gt; is ejected",
	} {
		if !strings.Contains(string(html), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if strings.Contains(string(html), "ZgotmplZ") || strings.Contains(string(html), "http://") {
		t.Error("the template made something unsafe, or the page needs something from elsewhere")
	}
}
