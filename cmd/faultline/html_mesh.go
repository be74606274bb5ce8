package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/observe"
)

// Size of what is drawn of the mesh.
const (
	rowHeight   = 32  // of a host
	rowGap      = 18  // above a host, for its name
	maxBars     = 180 // from left to right
	maxServices = 8   // plots of one report
	maxRows     = 12  // hosts of one plot
	minLine     = 1.5 // height of a bar that must be seen
)

// meshPlot is what became of the requests to one service, a row for each host.
type meshPlot struct {
	Service          string
	Rows             []hostRow
	More             int // hosts that are not shown
	Phases           []band
	Height, BarWidth float64
	Stats            []string // what proxies export of it, such as retries
}

// hostRow is one host: bars of its requests, those of its errors before them, a
// line of the requests on their way, and bands in which it was ejected.
type hostRow struct {
	Name      string
	Text      string // in words
	Y, Height float64
	Bars      []bar
	Active    string // points of the line; empty when there was never any
	Out       []outBand
}

type bar struct {
	X, Y, Height float64
	Class, Text  string
}

type outBand struct {
	X, Width float64
	Text     string
}

// hostSum is what all proxies together counted of a host.
type hostSum struct {
	address                 string
	requests, errors        []uint64 // by bar
	active                  map[string][]uint64
	total, failed, timeouts uint64
	out                     []observe.Ejection
}

// newMeshPlots draws the hosts of each service, those with trouble first.
func newMeshPlots(r *experiments.Report) []meshPlot {
	phases := r.Phases()
	if len(phases) == 0 || r.Series.From.IsZero() {
		return nil
	}
	scale := newTimeScale(phases, r.Series.Step)
	services := map[string]map[string]*hostSum{}
	for _, h := range r.Series.Hosts {
		if h.Cluster.Direction == observe.Outbound {
			sumOf(services, h.Cluster.Service, h.Address, scale.bars).add(h, scale)
		}
	}
	for _, e := range r.Series.Ejections {
		if _, known := services[e.Cluster.Service]; known {
			host := sumOf(services, e.Cluster.Service, e.Address, scale.bars)
			host.out = append(host.out, e)
		}
	}
	names := slices.SortedFunc(maps.Keys(services), func(a, b string) int {
		return cmp.Or(cmp.Compare(trouble(services[b]), trouble(services[a])), cmp.Compare(a, b))
	})
	var plots []meshPlot
	for _, name := range names[:min(len(names), maxServices)] {
		plots = append(plots, newMeshPlot(name, services[name], scale, phases, r.Series.Stats))
	}
	return plots
}

func sumOf(services map[string]map[string]*hostSum, service, address string, bars int) *hostSum {
	if services[service] == nil {
		services[service] = map[string]*hostSum{}
	}
	if services[service][address] == nil {
		services[service][address] = &hostSum{
			address: address, requests: make([]uint64, bars), errors: make([]uint64, bars), active: map[string][]uint64{},
		}
	}
	return services[service][address]
}

// timeScale puts times where they belong. A bar is of at least two readings, so
// that there are no gaps between readings.
type timeScale struct {
	from, to time.Time
	bars     int
}

func newTimeScale(phases []experiments.Phase, step time.Duration) timeScale {
	s := timeScale{from: phases[0].From, to: phases[len(phases)-1].To, bars: maxBars}
	if step > 0 {
		s.bars = int(min(max(s.to.Sub(s.from)/(2*step), 1), maxBars))
	}
	return s
}

func (s timeScale) x(at time.Time) float64 {
	return plotWidth * float64(at.Sub(s.from)) / float64(max(s.to.Sub(s.from), 1))
}

func (s timeScale) barWidth() float64 { return plotWidth / float64(s.bars) }

func (s timeScale) within(x float64) float64 { return round(min(max(x, 0), plotWidth)) }

// add takes in what one proxy counted. What it counted before the first phase is
// not shown.
func (h *hostSum) add(series observe.HostSeries, scale timeScale) {
	key := series.Proxy.String() + series.Cluster.Subset
	active := make([]uint64, scale.bars)
	last, next := uint64(0), 0
	for _, p := range series.Points {
		n := int(scale.x(p.At) / scale.barWidth())
		if scale.x(p.At) < 0 {
			last = p.Active
			continue
		}
		n = min(n, scale.bars-1)
		h.requests[n] += p.Requests
		h.errors[n] += p.Errors
		h.total, h.failed, h.timeouts = h.total+p.Requests, h.failed+p.Errors, h.timeouts+p.Timeouts
		for ; next < n; next++ {
			active[next] = max(active[next], last)
		}
		active[n], last = max(active[n], p.Active), p.Active
	}
	for ; next < scale.bars; next++ {
		active[next] = max(active[next], last)
	}
	h.active[key] = active
}

// trouble orders services: ejections weigh most, then errors, then requests.
func trouble(hosts map[string]*hostSum) (weight uint64) {
	for _, h := range hosts {
		weight += h.total + 1_000*h.failed + 1_000_000*uint64(len(h.out))
	}
	return weight
}

func newMeshPlot(service string, hosts map[string]*hostSum, scale timeScale, phases []experiments.Phase, stats []observe.StatSeries) meshPlot {
	p := meshPlot{Service: strings.TrimSuffix(service, ".svc.cluster.local")}
	shown := slices.SortedFunc(maps.Values(hosts), func(a, b *hostSum) int { return cmp.Compare(a.address, b.address) })
	if len(shown) > maxRows {
		slices.SortStableFunc(shown, func(a, b *hostSum) int { return cmp.Compare(b.failed, a.failed) })
		p.More, shown = len(shown)-maxRows, shown[:maxRows]
	}
	most, active := uint64(1), uint64(1)
	for _, h := range shown {
		most, active = max(most, slices.Max(h.requests), slices.Max(h.errors)), max(active, slices.Max(h.onTheirWay()))
	}
	for n, h := range shown {
		p.Rows = append(p.Rows, h.row(float64(n*(rowHeight+rowGap)+rowGap), most, active, scale))
	}
	p.Height, p.BarWidth = float64(len(shown)*(rowHeight+rowGap)), round(scale.barWidth()-1)
	for _, phase := range phases {
		x := scale.within(scale.x(phase.From))
		p.Phases = append(p.Phases, band{X: x, Width: round(scale.within(scale.x(phase.To)) - x), Name: phase.Name})
	}
	for _, stat := range stats {
		if stat.Cluster.Service == service && stat.Total() > 0 {
			p.Stats = append(p.Stats, fmt.Sprintf("%s of %s: %d", stat.Stat, stat.Proxy, stat.Total()))
		}
	}
	return p
}

// onTheirWay adds up the proxies.
func (h *hostSum) onTheirWay() []uint64 {
	sum := make([]uint64, len(h.requests))
	for _, one := range h.active {
		for n := range sum {
			sum[n] += one[n]
		}
	}
	return sum
}
