package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline-mesh/faultline/experiments"
)

//go:embed report.html
var reportHTML string

// Size of a plot, and how many points it shows at most.
const (
	plotWidth, plotHeight = 900, 220
	plotPoints            = 2000
)

// page is what the template shows of one experiment.
type page struct {
	*experiments.Report
	Name  string
	Err   error
	Plot  *plot
	Mesh  []meshPlot
	Width int
}

// plot is latency over time, one dot a request, on a logarithmic scale.
type plot struct {
	Dots   []dot
	Phases []band
	Lines  []line
}

type dot struct {
	X, Y  float64
	Class string
	Text  string
}

type band struct {
	X, Width float64
	Name     string
}

type line struct {
	Y    float64
	Text string
}

// writeReports writes DIR/<experiment>.json, and DIR/index.html for all of them.
func writeReports(dir string, results []result) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	tmpl, err := template.New("report").Parse(reportHTML)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	var pages []page
	var errs []error
	for _, r := range results {
		p := page{Report: r.report, Name: r.experiment.Name, Err: r.err, Width: plotWidth}
		if r.report != nil {
			p.Plot, p.Mesh = newPlot(r.report), newMeshPlots(r.report)
			content, err := json.MarshalIndent(r.report, "", "  ")
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, filepath.Base(r.experiment.Name)+".json"), content, 0o644)
			}
			errs = append(errs, err)
		}
		pages = append(pages, p)
	}
	var text bytes.Buffer
	errs = append(errs, tmpl.Execute(&text, pages))
	errs = append(errs, os.WriteFile(filepath.Join(dir, "index.html"), text.Bytes(), 0o644))
	return errors.Join(errs...)
}

// newPlot draws the requests of all phases; nil without any.
func newPlot(r *experiments.Report) *plot {
	phases := r.Phases()
	if len(phases) == 0 {
		return nil
	}
	x := newTimeScale(phases, 0).x
	p := &plot{}
	for _, d := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second} {
		p.Lines = append(p.Lines, line{Y: height(d), Text: d.String()})
	}
	total := 0
	for _, phase := range phases {
		total += phase.Load.Requests()
		p.Phases = append(p.Phases, band{X: x(phase.From), Width: x(phase.To) - x(phase.From), Name: phase.Name})
	}
	every := max(1, (total+plotPoints-1)/plotPoints)
	for _, phase := range phases {
		for i, s := range phase.Load.Samples {
			if i%every != 0 && s.Code == 200 {
				continue // of the plain ones a part is enough, of the others none may be missing
			}
			class := "ok"
			if s.Code < 200 || s.Code >= 400 {
				class = "bad"
			}
			p.Dots = append(p.Dots, dot{
				X: round(x(s.Intended)), Y: round(height(s.Latency)), Class: class,
				Text: fmt.Sprintf("%d after %s", s.Code, s.Latency.Round(time.Microsecond)),
			})
		}
	}
	return p
}

// height puts 0.3 ms at the bottom and 30 s at the top, evenly by factor.
func height(d time.Duration) float64 {
	const low, high = 0.3e6, 30e9
	share := math.Log(max(float64(d), low)/low) / math.Log(high/low)
	return round(plotHeight * (1 - min(share, 1)))
}

func round(v float64) float64 { return math.Round(v*10) / 10 }
