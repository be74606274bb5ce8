package preflight

import (
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/loadgen"
)

// Question is what an experiment asks, as far as its answer can be foreseen.
type Question struct {
	Faults  []injector.Fault
	Edits   []injector.Edit // what would be written for them
	Load    loadgen.Load
	Gateway string // "namespace/name" of the Service by which the load enters; may be empty
	Claims  []Claimed

	Settle, Duration, Recovery time.Duration
}

// Phase is a part of a run that a claim is held against.
type Phase string

// The phases.
const (
	Baseline Phase = "baseline"
	During   Phase = "during"
	Recovery Phase = "recovery"
)

// Claimed is what one matcher of the experiment asserts, and when.
type Claimed struct {
	claim.Claim
	Field  string  // where the experiment has it, such as "steadyState[1]"
	Phases []Phase // in which it must hold
}
