package experiments

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/stats"
	"github.com/faultline-mesh/faultline/loadgen"
)

// Lengths of the phases when the experiment does not set them.
const (
	DefaultSettle   = 5 * time.Second
	DefaultDuration = 10 * time.Second
	DefaultRecovery = 5 * time.Second
)

// DefaultAlpha is how often a claim that is right is called wrong when the
// experiment does not say: once in a million.
const DefaultAlpha = stats.DefaultAlpha

// Matcher judges a [Phase]. It is what gomega calls a matcher, so every gomega
// matcher satisfies it, those of package assertions among them. A match error
// with a method NoSamples() bool that returns true leaves the question open; any
// other error means that the matcher was used wrongly.
type Matcher interface {
	Match(actual any) (bool, error)
	FailureMessage(actual any) string
	NegatedFailureMessage(actual any) string
}

// Experiment is a hypothesis about a mesh, and how to try it. Without faults it
// proves what needs none: routing, splits. Experiments are values: a Runner does
// not change them.
type Experiment struct {
	// Name is short, for lists and file names. Empty: the Title serves.
	Name string
	// Title says what should stay true, as a sentence. Required.
	Title string
	// Faults are in force together during the fault phase.
	Faults []injector.Fault
	// Load runs through all phases. Its Duration is the experiment's business and
	// must be zero. Required.
	Load loadgen.Load
	// Gateway is the Service, "namespace/name", by which the load enters the mesh,
	// for example "istio-system/istio-ingressgateway". Its address is taken from
	// the load balancer's status or, without one, from a node port. Empty: the
	// load goes where its URL says.
	Gateway string

	// SteadyState must hold in Baseline, During and Recovery.
	SteadyState []Matcher
	// Healthy must hold in Baseline and Recovery, while no fault is in force.
	Healthy []Matcher
	// During must hold in the fault phase.
	During []Matcher
	// Recovered must hold in Recovery.
	Recovered []Matcher
	// HaltWhen ends the fault phase early as soon as one of them matches what has
	// been seen of it; asked every second.
	HaltWhen []Matcher

	// BlastRadius bounds what the faults may touch.
	BlastRadius injector.BlastRadius

	Settle   time.Duration // length of Baseline; DefaultSettle when zero
	Duration time.Duration // length of During; DefaultDuration when zero
	Recovery time.Duration // length of Recovery; DefaultRecovery when zero

	// StopEarly ends the fault phase before its length is over, as soon as each of
	// its claims is decided by a sequential test with Alpha. All of them must be
	// shares, of matchers of package assertions: success rates, statuses, delays and
	// splits; with any other claim the phase has its whole length. It goes with no
	// ramp.
	StopEarly bool
	// Alpha is how often a claim that is right may be called wrong, above 0 and up
	// to 0.05; DefaultAlpha when zero. It is to be the same for all experiments of a
	// suite, and is not to be changed because of what a run said.
	Alpha float64
}

// InputError says what is wrong with an experiment or its plan. Nothing has been
// written to the mesh.
type InputError struct{ Err error }

// Error says what is wrong, one problem a line.
func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap returns the problems.
func (e *InputError) Unwrap() error { return e.Err }

// Validate reports everything that is wrong with e, or nil; each of the joined
// errors begins with the path of its field. It asks no cluster.
func (e Experiment) Validate() error {
	var errs []error
	if strings.TrimSpace(e.Title) == "" {
		errs = append(errs, errors.New("title: is missing"))
	}
	errs = append(errs, e.validateMatchers()...)
	for _, phase := range []struct {
		field  string
		length time.Duration
	}{{"settle", e.Settle}, {"duration", e.Duration}, {"recovery", e.Recovery}} {
		if phase.length < 0 {
			errs = append(errs, fmt.Errorf("%s: %s is negative, want a positive duration such as 10s", phase.field, phase.length))
		}
	}
	if e.Alpha != 0 && !(0 < e.Alpha && e.Alpha <= stats.MaxAlpha) { // so written that NaN is out, too
		errs = append(errs, fmt.Errorf("alpha: %v is no share of wrong answers, want one above 0 and up to %v, such as 1e-6", e.Alpha, stats.MaxAlpha))
	}
	if e.StopEarly && e.rampSteps() > 0 {
		errs = append(errs, errors.New("stopEarly: found true, but a fault has a ramp, whose steps have equal parts of the whole phase; leave one of them out"))
	}
	errs = append(errs, e.validateLoad()...)
	errs = append(errs, e.validateFaults()...)
	return errors.Join(errs...)
}

func (e Experiment) validateFaults() []error {
	if len(e.Faults) == 0 {
		return nil // nothing for the blast radius to bound
	}
	refused, ok := errors.AsType[*injector.RefusedError](injector.ValidateFaults(e.Faults, e.BlastRadius))
	if !ok {
		return nil
	}
	var errs []error
	for _, reason := range refused.Reasons {
		errs = append(errs, errors.New(reason.String()))
	}
	return errs
}

// validateMatchers reports what is wrong with what is to be judged.
func (e Experiment) validateMatchers() []error {
	var errs []error
	if len(e.SteadyState)+len(e.Healthy)+len(e.During)+len(e.Recovered) == 0 {
		errs = append(errs, errors.New("steadyState: is empty, and so are healthy, during and recovered; an experiment needs something to judge"))
	} else if len(e.SteadyState)+len(e.Healthy) == 0 && len(e.Faults) > 0 {
		errs = append(errs, errors.New("steadyState: is empty, and so is healthy; without them nobody knows that the baseline was good"))
	}
	for _, list := range []struct {
		field    string
		matchers []Matcher
	}{
		{"steadyState", e.SteadyState},
		{"healthy", e.Healthy},
		{"during", e.During},
		{"recovered", e.Recovered},
		{"haltWhen", e.HaltWhen},
	} {
		for i, m := range list.matchers {
			if m == nil {
				errs = append(errs, fmt.Errorf("%s[%d]: is nil, want a matcher", list.field, i))
			}
		}
	}
	return append(errs, e.invalidHalts()...)
}

// validateLoad reports what is wrong with the load and its way into the mesh.
func (e Experiment) validateLoad() []error {
	var errs []error
	if e.Load.Duration != 0 {
		errs = append(errs, fmt.Errorf("load.duration: found %s; the phases of the experiment decide how long load runs", e.Load.Duration))
	}
	for name := range e.Load.Header {
		if strings.EqualFold(name, injector.HeaderRun) {
			errs = append(errs, fmt.Errorf("load.header: %s is the run's own, which puts requests into it; leave it out", name))
		}
	}
	load := e.Load
	load.Duration = 0 // whatever it is, it is wrong for the reason above
	if err := load.Validate(); err != nil {
		errs = append(errs, prefixed("load.", err))
	}
	if e.Gateway == "" {
		return errs
	}
	if namespace, name, _ := strings.Cut(e.Gateway, "/"); namespace == "" || name == "" || strings.Contains(name, "/") {
		errs = append(errs, fmt.Errorf("gateway: found %q, want \"namespace/name\" of a Service", e.Gateway))
	}
	if e.Load.ConnectTo != "" {
		errs = append(errs, fmt.Errorf("gateway: found %q, but load.connectTo is set, too, and says %s; want one of them", e.Gateway, e.Load.ConnectTo))
	}
	return errs
}

func (e Experiment) withDefaults() Experiment {
	if e.Name == "" {
		e.Name = e.Title
	}
	for _, phase := range []struct {
		length *time.Duration
		usual  time.Duration
	}{{&e.Settle, DefaultSettle}, {&e.Duration, DefaultDuration}, {&e.Recovery, DefaultRecovery}} {
		if *phase.length == 0 {
			*phase.length = phase.usual
		}
	}
	if e.Alpha == 0 {
		e.Alpha = DefaultAlpha
	}
	return e
}

// prefixed puts a field path before each of the joined errors.
func prefixed(path string, err error) error {
	joined, ok := err.(interface{ Unwrap() []error }) // only the outermost join is ours to take apart
	if !ok {
		return fmt.Errorf("%s%w", path, err)
	}
	var errs []error
	for _, one := range joined.Unwrap() {
		errs = append(errs, fmt.Errorf("%s%w", path, one))
	}
	return errors.Join(errs...)
}
