package injector

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Delays holds each request for one of several times, so that latency has a
// distribution: 95% at 50ms and 5% at 2s give a p50 and a p99. What Delay says
// about the sites holds here, too.
//
// Which step a request meets is drawn by its x-request-id, in steps of 1/4096,
// to which percentages are rounded. Requests beyond the sum of the percentages
// wait for nothing, and so do requests whose id is no UUID; a client that sends
// ids with constant last digits meets one step only, and evidence tells. Services
// that forward the id (as tracing wants) draw the same for all their calls. Each
// of four faults of a run draws by other digits, and so does, at the Upstream
// site, each of the first four tries that a proxy makes of one request, told by
// x-envoy-attempt-count. The zero Delays is invalid.
type Delays struct {
	Steps []DelayStep // at least one; their percentages sum to 100 or less
}

// DelayStep is one time that requests are held for, and the share of them.
type DelayStep struct {
	Fixed   time.Duration // how long each chosen request waits; 1ms or more
	Percent float64       // share of all requests, 100/4096 or more
}

var _ Effect = Delays{}

// Validate reports every reason why d cannot be injected, or nil.
func (d Delays) Validate() error {
	if len(d.Steps) == 0 {
		return errors.New("steps: is empty, want one or more of a delay and its percentage")
	}
	var errs []error
	sum := 0.0
	for n, step := range d.Steps {
		for _, problem := range problems(errors.Join(validDelay(step.Fixed), validDrawn(step.Percent))) {
			errs = append(errs, fmt.Errorf("steps[%d].%w", n, problem))
		}
		sum += step.Percent
	}
	if sum > 100+roundingError {
		errs = append(errs, fmt.Errorf("steps: their percentages sum to %.6g, above 100", sum))
	}
	return errors.Join(errs...)
}

// String returns the delays in words, such as "delays 50ms on 95%, 2s on 5%".
func (d Delays) String() string {
	var steps []string
	for _, step := range d.Steps {
		steps = append(steps, step.String())
	}
	return "delays " + strings.Join(steps, ", ")
}

// String returns the step in words, such as "2s on 5%".
func (s DelayStep) String() string { return fmt.Sprintf("%s on %v%%", s.Fixed, s.Percent) }

func (d Delays) draw() []drawn {
	var percents []float64
	for _, step := range d.Steps {
		percents = append(percents, step.Percent)
	}
	return draw(percents...)
}

// all is the step's delay, for every request that comes to it.
func (s DelayStep) all() Delay { return Delay{Fixed: s.Fixed, Percent: 100} }

func (d Delays) inRoute(route object, s spot) ([]object, error) {
	var clones []object
	for n, share := range d.draw() {
		clone, err := onlyDrawn(route, share, s.fault)
		if err != nil {
			return nil, err
		}
		delayed, err := d.Steps[n].all().inRoute(clone, s)
		if err != nil {
			return nil, err
		}
		clones = append(clones, delayed...)
	}
	return append(clones, route), nil // the rest waits for nothing, and is counted
}

// tries are the tries of one request, by x-envoy-attempt-count, that draw by
// the same digits. A caller that is no proxy sends none.
var tries = [drawWindows]string{"|1|[5-9]|[1-9][0-9]+", "2", "3", "4"}

func (d Delays) inPod(s spot) ([]object, error) {
	var filters []object
	for n, share := range d.draw() {
		for try, count := range tries {
			delayed, err := d.Steps[n].all().inPod(s)
			if err != nil {
				return nil, err
			}
			whichTry := headerMatches("x-envoy-attempt-count", count)
			whichTry["treat_missing_header_as_empty"] = true
			delayed[0]["headers"] = []any{headerMatches(headerID, share.pattern(s.fault+try)), whichTry}
			filters = append(filters, delayed...)
		}
	}
	return filters, nil
}

func (d Delays) signs(s spot) []Sign {
	var signs []Sign
	for n, share := range d.draw() {
		step := d.Steps[n]
		sign := Sign{
			Part: step.String(), Percent: step.Percent, ID: share.whole(s.fault),
			Flags: []string{flagDelayed}, Counter: counterDelays,
		}
		if s.site == Upstream {
			sign.Percent = 0 // later tries draw by digits that the log does not tell
		}
		signs = append(signs, sign)
	}
	return signs
}
