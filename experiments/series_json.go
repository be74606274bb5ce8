package experiments

import (
	"time"

	"github.com/faultline-mesh/faultline/observe"
)

// The series as JSON: columns, because rows would repeat their names.
type (
	seriesJSON struct {
		From  time.Time        `json:"from"`
		To    time.Time        `json:"to"`
		Step  string           `json:"step"`
		Hosts []hostSeriesJSON `json:"hosts"`
		Stats []statSeriesJSON `json:"stats"` // only what the proxies export
		Gaps  []gapJSON        `json:"gaps"`
	}
	hostSeriesJSON struct {
		Proxy          string   `json:"proxy"`
		Cluster        string   `json:"cluster"`
		Host           string   `json:"host"`
		AtMs           []int64  `json:"atMs"` // since from
		Requests       []uint64 `json:"requests"`
		Errors         []uint64 `json:"errors"`
		Timeouts       []uint64 `json:"timeouts"`
		FailedConnects []uint64 `json:"failedConnects"`
		Active         []uint64 `json:"active"`
		Pending        []uint64 `json:"pending"`
	}
	statSeriesJSON struct {
		Proxy  string   `json:"proxy"`
		Name   string   `json:"name"`
		Gauge  bool     `json:"gauge,omitempty"`
		AtMs   []int64  `json:"atMs"`
		Values []uint64 `json:"values"`
	}
	gapJSON struct {
		Proxy string     `json:"proxy"`
		From  time.Time  `json:"from"`
		To    *time.Time `json:"to,omitempty"`
	}
)

// newSeriesJSON returns nil for a series that nobody recorded.
func newSeriesJSON(s observe.Series) *seriesJSON {
	if s.From.IsZero() {
		return nil
	}
	since := func(at time.Time) int64 { return at.Sub(s.From).Milliseconds() }
	out := &seriesJSON{
		From: s.From, To: s.To, Step: s.Step.String(),
		Hosts: []hostSeriesJSON{}, Stats: []statSeriesJSON{}, Gaps: []gapJSON{},
	}
	for _, h := range s.Hosts {
		one := hostSeriesJSON{Proxy: h.Proxy.String(), Cluster: h.Cluster.String(), Host: h.Address}
		for _, p := range h.Points {
			one.AtMs = append(one.AtMs, since(p.At))
			one.Requests = append(one.Requests, p.Requests)
			one.Errors = append(one.Errors, p.Errors)
			one.Timeouts = append(one.Timeouts, p.Timeouts)
			one.FailedConnects = append(one.FailedConnects, p.FailedConnects)
			one.Active = append(one.Active, p.Active)
			one.Pending = append(one.Pending, p.Pending)
		}
		out.Hosts = append(out.Hosts, one)
	}
	for _, stat := range s.Stats {
		one := statSeriesJSON{Proxy: stat.Proxy.String(), Name: stat.Name, Gauge: stat.Gauge, AtMs: []int64{}, Values: []uint64{}}
		for _, p := range stat.Points {
			one.AtMs, one.Values = append(one.AtMs, since(p.At)), append(one.Values, p.Value)
		}
		out.Stats = append(out.Stats, one)
	}
	for _, g := range s.Gaps {
		one := gapJSON{Proxy: g.Proxy.String(), From: g.From}
		if !g.To.IsZero() {
			one.To = &g.To
		}
		out.Gaps = append(out.Gaps, one)
	}
	return out
}
