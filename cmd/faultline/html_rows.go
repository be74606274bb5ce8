package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/observe"
)

// fewActive is how many requests on their way are not worth a line.
const fewActive = 2

// row draws a host. All rows of a plot have the same scales.
func (h *hostSum) row(y float64, most, mostActive uint64, scale timeScale) hostRow {
	onTheirWay := h.onTheirWay()
	r := hostRow{Name: h.address, Y: y, Height: rowHeight, Text: h.text(slices.Max(onTheirWay))}
	tall := func(n uint64) float64 { return round(max(rowHeight*float64(n)/float64(most), minLine)) }
	for n := range h.requests {
		text := fmt.Sprintf("%d requests, %d errors", h.requests[n], h.errors[n])
		for _, part := range []struct {
			count uint64
			class string
		}{{h.requests[n], "ok"}, {h.errors[n], "bad"}} {
			if part.count > 0 {
				height := tall(part.count)
				r.Bars = append(r.Bars, bar{X: round(float64(n) * scale.barWidth()), Y: round(y + rowHeight - height), Height: height, Class: part.class, Text: text})
			}
		}
	}
	if slices.Max(onTheirWay) > fewActive {
		r.Active = steps(onTheirWay, y, mostActive, scale.barWidth())
	}
	for _, e := range h.out {
		r.Out = append(r.Out, newOutBand(e, scale))
	}
	return r
}

// Base is where the row stands, and Label where its name is written.
func (r hostRow) Base() float64  { return r.Y + r.Height }
func (r hostRow) Label() float64 { return r.Y - 4 }

// Box is the height of all that is drawn.
func (p meshPlot) Box() float64 { return p.Height + 24 }

// steps is a line through the values, one for each bar.
func steps(values []uint64, y float64, most uint64, width float64) string {
	var line strings.Builder
	for n, v := range values {
		at := round(y + rowHeight - rowHeight*float64(v)/float64(most))
		fmt.Fprintf(&line, "%v,%v %v,%v ", round(float64(n)*width), at, round(float64(n+1)*width), at)
	}
	return strings.TrimSpace(line.String())
}

// text says in words what the row shows.
func (h *hostSum) text(active uint64) string {
	text := fmt.Sprintf("%d requests, %d errors", h.total, h.failed)
	if h.timeouts > 0 {
		text += fmt.Sprintf(", %d timeouts", h.timeouts)
	}
	text += fmt.Sprintf(", at most %d on their way", active)
	if len(h.out) > 0 {
		text += fmt.Sprintf(", ejected %d×", len(h.out))
	}
	return text
}

func newOutBand(e observe.Ejection, scale timeScale) outBand {
	from, to := scale.within(scale.x(e.At)), float64(plotWidth)
	text := fmt.Sprintf("out for %s from %s, and not back", e.Proxy, e.At.Format(time.TimeOnly))
	if !e.ReadmittedAt.IsZero() {
		to = scale.within(scale.x(e.ReadmittedAt))
		text = fmt.Sprintf("out for %s from %s to %s, %.1fs", e.Proxy, e.At.Format(time.TimeOnly), e.ReadmittedAt.Format(time.TimeOnly),
			e.ReadmittedAt.Sub(e.At).Seconds())
	}
	return outBand{X: from, Width: round(max(to-from, 1)), Text: text}
}
