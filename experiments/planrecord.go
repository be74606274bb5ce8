package experiments

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/faultline-mesh/faultline/experiments/preflight"
)

// PlanRecord is a plan as a file keeps it, for a run that is to be as it was
// planned. Of what the run writes it has the objects: names that contain the
// run's id are another one's in each run.
type PlanRecord struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"`
	Metadata   PlanRecordMetadata `json:"metadata"`
	Spec       PlanRecordSpec     `json:"spec"`
}

// PlanRecordMetadata names the experiment.
type PlanRecordMetadata struct {
	Name string `json:"name"`
}

// PlanRecordSpec is what was planned, and what that followed from.
type PlanRecordSpec struct {
	Title      string                 `json:"title,omitempty"`
	Faultline  string                 `json:"faultline"`  // version that made the plan
	Experiment string                 `json:"experiment"` // digest of what the experiment says
	World      []preflight.Dependency `json:"world"`      // what the plan follows from

	Edits    []PlannedEdit       `json:"edits"`
	Reach    []preflight.Reach   `json:"reach"`
	Hops     []string            `json:"hops"`
	Needs    []string            `json:"needs"`
	Findings []preflight.Finding `json:"findings"`
	Notes    []string            `json:"notes"`
}

// PlannedEdit is one write of a plan.
type PlannedEdit struct {
	Object string   `json:"object"` // as "Kind namespace/name"; of one that is created "Kind in namespace"
	Fault  string   `json:"fault"`
	Pods   []string `json:"pods,omitempty"`
}

// PlanKind is the kind of plan files.
const PlanKind = "Plan"

// Record returns the plan of e for a file. version is faultline's, digest that of
// what the experiment says.
func (p Plan) Record(e Experiment, apiVersion, version, digest string) PlanRecord {
	e = e.withDefaults()
	spec := PlanRecordSpec{
		Title: e.Title, Faultline: version, Experiment: digest, World: p.Preflight.Depends,
		Reach: p.Preflight.Reach, Findings: p.Preflight.Findings, Notes: p.Notes, Edits: []PlannedEdit{},
	}
	for _, edit := range p.Edits {
		object := edit.Ref.String()
		if edit.Before == nil {
			object = fmt.Sprintf("%s in %s", edit.Ref.Kind, edit.Ref.Namespace)
		}
		spec.Edits = append(spec.Edits, PlannedEdit{object, e.Faults[edit.Fault].String(), edit.Pods})
	}
	for _, h := range p.Preflight.Hops {
		spec.Hops = append(spec.Hops, h.String())
	}
	for _, n := range p.Preflight.Needs {
		spec.Needs = append(spec.Needs, n.String())
	}
	return PlanRecord{APIVersion: apiVersion, Kind: PlanKind, Metadata: PlanRecordMetadata{e.Name}, Spec: spec}
}

// Differs reports why a run of an experiment with this digest, by this version of
// faultline, is not what was planned, or nil. It does not look at the mesh.
func (r PlanRecord) Differs(version, digest string) error {
	var errs []error
	if r.Spec.Experiment != digest {
		errs = append(errs, errors.New("the experiment is not as it was"))
	}
	if r.Spec.Faultline != version {
		errs = append(errs, fmt.Errorf("the plan was made by faultline %s, and this is %s", r.Spec.Faultline, version))
	}
	return errors.Join(errs...)
}

// RunPlanned is Run for an experiment that was planned before. When the mesh has
// changed since, in what the plan follows from, the error says how, and nothing
// is written.
func (r *Runner) RunPlanned(ctx context.Context, e Experiment, planned PlanRecord) (*Report, error) {
	with := *r
	with.planned = &planned
	return with.Run(ctx, e)
}

// unchanged reports how the mesh differs from what the record was made for.
func (r *PlanRecord) unchanged(e Experiment, plan Plan) error {
	if r == nil {
		return nil
	}
	changes := preflight.Changes(r.Spec.World, plan.Preflight.Depends)
	if len(changes) == 0 {
		return nil
	}
	return &InputError{fmt.Errorf("experiment %q: the mesh has changed since it was planned, so nothing was written; plan it again:\n  %s",
		e.Title, strings.Join(changes, "\n  "))}
}
