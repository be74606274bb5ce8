package experiments

import (
	"cmp"
	"fmt"
	"time"

	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

// Verdict is what an experiment found.
type Verdict int

// The zero value leaves the question open.
const (
	Inconclusive Verdict = iota // the question is open; the report's reason says why
	Held                        // the fault was proven, and every matcher held
	Deviated                    // the fault was proven, and a matcher did not hold
	Halted                      // a halt condition matched, and the fault was taken out early
)

// String returns the verdict's name.
func (v Verdict) String() string {
	names := [...]string{"Inconclusive", "Held", "Deviated", "Halted"}
	if v < 0 || int(v) >= len(names) {
		return fmt.Sprintf("Verdict(%d)", int(v))
	}
	return names[v]
}

// MarshalText makes the verdict a word in JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Names of the phases.
const (
	BaselinePhase = "baseline"
	DuringPhase   = "during"
	RecoveryPhase = "recovery"
)

// Report is what a run saw, and what follows from it. A phase that was not
// reached is zero.
type Report struct {
	Name    string  // of the experiment
	Title   string  // of the experiment
	Run     string  // id of this run, which names all it wrote
	Verdict Verdict // what follows
	Reason  string  // why, a full sentence; the first thing to read

	Baseline, During, Recovery Phase

	Findings []preflight.Finding // what was to be known before the run, and did not keep it from being done

	// Halt is what ended the fault phase early, or kept it from beginning; nil
	// when nothing did, or the halt flag.
	Halt *Halt

	Missed   string     // why the load does not come to where the faults are made, so that nothing was injected; empty when it does
	Evidence []Evidence // per fault, what shows that it fired
	Standing []Evidence // faults that the mesh had of its own on the calls in question, and how often they fired; the verdict does not ask them

	Injected Convergence // how the fault reached the proxies
	Ramp     []RampStep  // the steps of the ramps, as far as they got; none without a ramp
	Kept     Convergence // whether it was there still at the end of the fault phase
	Reverted Convergence // how it left them
	Policies Convergence // whether the callers had the policies of DestinationRules before the baseline
	Restarts []Restart   // observed proxies that began anew during the run
	Born     []string    // observed proxies that were born during the run, as "Pod namespace/name"
	Gone     []string    // observed proxies that were gone before its end, likewise
	Vanished string      // that no pod of a faulted service was left at the end of the fault phase, and who says so; empty when some were
	Objects  []string    // objects that were edited, as "Kind namespace/name"
	Overhead Overhead    // the time that the run took beyond its phases
	Clean    bool        // whether every edit is known to have been taken back

	// Attribution says, for hops where something timed out, failed, was left or
	// tried again in the fault phase, whether that was the mesh or the application.
	Attribution []Attribution

	// Series is what the observed proxies counted over time, from before the
	// baseline until the verdict, also between the phases.
	Series observe.Series
}

// Phase is one part of a run. Matchers of package assertions take it as it is.
type Phase struct {
	Name     string
	From, To time.Time
	Load     loadgen.Result // requests whose intended time lies in the phase
	Mesh     observe.Change // what the observed proxies counted in it
	Checks   []Check        // in the order of the experiment
	Stopped  string         // why the phase ended before its length was over; empty if it did not

	Placement []Placement // per fault, what passed where it is made

	alpha float64 // of the experiment
}

// Alpha returns how often a claim about the phase that is right may be called
// wrong; matchers judge by it.
func (p Phase) Alpha() float64 { return cmp.Or(p.alpha, DefaultAlpha) }

// LoadResult returns the requests of the phase.
func (p Phase) LoadResult() loadgen.Result { return p.Load }

// MeshChange returns what the proxies counted in the phase.
func (p Phase) MeshChange() observe.Change { return p.Mesh }

// Check is one matcher's answer about one phase.
type Check struct {
	Held      bool
	NoSamples bool   // there was too little to judge by
	Text      string // why it did not hold, or that it did; starts with what was wanted

	misused bool // the matcher cannot judge phases, or not as it was made
}

// Open reports whether the matcher gave no answer: there was too little to judge
// by, or it was used wrongly.
func (c Check) Open() bool { return c.NoSamples || c.misused }

// Part is a part of a fault that can be told from the others.
type Part struct {
	Name  string // such as "step 1 (5%)" of a ramp, or "2s on 5%"
	Fired int    // requests that it hit
	Of    int    // requests that met it
}

// RampStep is a step of the ramps, which go up together.
type RampStep struct {
	Faults      []string    // the faults that have a ramp, as they were from then on
	At          time.Time   // when it began to be written
	Convergence Convergence // how it reached the proxies
}

// Convergence says how a change reached the proxies.
type Convergence struct {
	Proxies int           // proxies that had to show it
	P50     time.Duration // from the last write until half of them did
	Max     time.Duration // until all of them did
	Late    []string      // those that did not within the limit, with what they show instead
}
