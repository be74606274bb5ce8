package experiments

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

// The report as JSON: what scripts and CI read, without the single samples.
type (
	reportJSON struct {
		Experiment  string               `json:"experiment"`
		Title       string               `json:"title"`
		Verdict     Verdict              `json:"verdict"`
		Reason      string               `json:"reason"`
		Run         string               `json:"run"`
		Findings    []preflight.Finding  `json:"findings,omitempty"` // warnings; what is refused has no report
		Halt        *haltJSON            `json:"halt,omitempty"`
		Phases      map[string]phaseJSON `json:"phases"`
		Evidence    evidenceJSON         `json:"evidence"`
		Convergence convergencesJSON     `json:"convergence"`
		Revert      revertJSON           `json:"revert"`
		Attribution []attributionJSON    `json:"attribution,omitempty"` // only hops with something to tell
		Series      *seriesJSON          `json:"series,omitempty"`      // left out when nothing was recorded
		Pods        *podsJSON            `json:"pods,omitempty"`
		Overhead    map[string]string    `json:"overhead,omitempty"` // "total", and by step
	}
	podsJSON struct { // that did not stay what they were, as "Pod namespace/name"
		Born      []string `json:"born,omitempty"`
		Gone      []string `json:"gone,omitempty"`
		Restarted []string `json:"restarted,omitempty"`
	}
	haltJSON struct {
		Condition string      `json:"condition"`
		Measured  string      `json:"measured,omitempty"`
		At        time.Time   `json:"at"`
		Window    *windowJSON `json:"window,omitempty"`
		After     string      `json:"after,omitempty"` // from at until the revert began
	}
	windowJSON struct {
		From time.Time `json:"from"`
		To   time.Time `json:"to"`
	}
	phaseJSON struct {
		From   time.Time   `json:"from"`
		To     time.Time   `json:"to"`
		Load   loadJSON    `json:"load"`
		Checks []checkJSON `json:"checks"`

		Stopped   string          `json:"stopped,omitempty"`
		Placement []placementJSON `json:"placement,omitempty"`
	}
	loadJSON struct {
		Requests    int         `json:"requests"`
		SuccessRate *float64    `json:"successRate"` // null without requests
		Codes       map[int]int `json:"codes"`
		P50         string      `json:"p50"`
		P99         string      `json:"p99"`
		Max         string      `json:"max"`
	}
	checkJSON struct {
		Held bool   `json:"held"`
		Open bool   `json:"open,omitempty"` // it could not be judged
		Text string `json:"text"`
	}
	evidenceJSON struct {
		Faults    []faultJSON    `json:"faults"`
		Standing  []faultJSON    `json:"standing,omitempty"` // the mesh's own
		Ejections []ejectionJSON `json:"ejections"`
	}
	ejectionJSON struct {
		Host         string     `json:"host"`
		Service      string     `json:"service"`
		Proxy        string     `json:"proxy"`
		At           time.Time  `json:"at"`
		Errors       uint64     `json:"errors"`
		ReadmittedAt *time.Time `json:"readmittedAt,omitempty"`
	}
	convergencesJSON struct {
		Inject convergenceJSON `json:"inject"`
		Ramp   []rampStepJSON  `json:"ramp,omitempty"`
		Revert convergenceJSON `json:"revert"`
	}
	convergenceJSON struct {
		Proxies int      `json:"proxies"`
		P50     string   `json:"p50"`
		Max     string   `json:"max"`
		Late    []string `json:"late,omitempty"`
	}
	rampStepJSON struct {
		Faults []string  `json:"faults"`
		At     time.Time `json:"at"`
		convergenceJSON
	}
	revertJSON struct {
		Clean   bool     `json:"clean"`
		Objects []string `json:"objects"`
	}
)

// MarshalJSON renders the report for machines. Durations are strings as Go
// writes them, times are RFC 3339, rates are between 0 and 1; what nobody measured is null or empty.
func (r *Report) MarshalJSON() ([]byte, error) {
	out := reportJSON{
		Experiment: r.Name, Title: r.Title, Verdict: r.Verdict, Reason: r.Reason, Run: r.Run,
		Findings:    r.Findings,
		Phases:      map[string]phaseJSON{},
		Evidence:    evidenceJSON{Faults: []faultJSON{}, Ejections: []ejectionJSON{}},
		Convergence: convergencesJSON{Inject: r.Injected.json(), Revert: r.Reverted.json()},
		Revert:      revertJSON{Clean: r.Clean, Objects: append([]string{}, r.Objects...)},
		Attribution: newAttributionsJSON(r.Attribution),
		Series:      newSeriesJSON(r.Series),
	}
	if len(r.Born)+len(r.Gone)+len(r.Restarts) > 0 {
		out.Pods = &podsJSON{Born: r.Born, Gone: r.Gone}
	}
	out.Overhead = r.Overhead.json()
	for _, s := range r.Restarts {
		out.Pods.Restarted = append(out.Pods.Restarted, s.Proxy)
	}
	if r.Halt != nil {
		out.Halt = r.Halt.json()
	}
	for _, p := range r.Phases() {
		out.Phases[p.Name] = p.json()
	}
	for _, e := range r.Evidence {
		out.Evidence.Faults = append(out.Evidence.Faults, e.json())
	}
	for _, e := range r.Standing {
		out.Evidence.Standing = append(out.Evidence.Standing, e.json())
	}
	for _, s := range r.Ramp {
		out.Convergence.Ramp = append(out.Convergence.Ramp, rampStepJSON{Faults: s.Faults, At: s.At, convergenceJSON: s.Convergence.json()})
	}
	for _, e := range r.Ejections() {
		ejection := ejectionJSON{
			Host: e.Address, Service: e.Cluster.Service, Proxy: e.Proxy.String(), At: e.At, Errors: e.Errors,
		}
		if !e.ReadmittedAt.IsZero() {
			ejection.ReadmittedAt = &e.ReadmittedAt
		}
		out.Evidence.Ejections = append(out.Evidence.Ejections, ejection)
	}
	return json.Marshal(out)
}

// Phases returns the phases that were reached, in order.
func (r *Report) Phases() []Phase {
	var reached []Phase
	for _, p := range []Phase{r.Baseline, r.During, r.Recovery} {
		if !p.To.IsZero() {
			reached = append(reached, p)
		}
	}
	return reached
}

// Ejections returns every ejection that was seen, each once, by time: its last
// state is what counts, so one that ended in Recovery shows when.
func (r *Report) Ejections() []observe.Ejection {
	var all []observe.Ejection
	for _, p := range r.Phases() {
		for _, e := range p.Mesh.Ejections {
			if i := slices.IndexFunc(all, func(known observe.Ejection) bool { return sameEjection(known, e) }); i >= 0 {
				all[i].ReadmittedAt = e.ReadmittedAt
			} else {
				all = append(all, e)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b observe.Ejection) int { return a.At.Compare(b.At) })
	return all
}

func (p Phase) json() phaseJSON {
	out := phaseJSON{From: p.From, To: p.To, Load: newLoadJSON(p.Load), Checks: []checkJSON{}, Stopped: p.Stopped}
	for _, c := range p.Checks {
		out.Checks = append(out.Checks, checkJSON{Held: c.Held, Open: c.Open(), Text: c.Text})
	}
	for _, placed := range p.Placement {
		out.Placement = append(out.Placement, placed.json())
	}
	return out
}

func newLoadJSON(l loadgen.Result) loadJSON {
	out := loadJSON{Requests: l.Requests(), Codes: l.Codes()}
	if rate, ok := l.SuccessRate(); ok {
		out.SuccessRate = &rate
	}
	for _, q := range []struct {
		at   float64
		into *string
	}{{0.50, &out.P50}, {0.99, &out.P99}, {1, &out.Max}} {
		if d, ok := l.Quantile(q.at); ok {
			*q.into = d.String()
		}
	}
	return out
}

func (c Convergence) json() convergenceJSON {
	return convergenceJSON{Proxies: c.Proxies, P50: c.P50.String(), Max: c.Max.String(), Late: c.Late}
}
