package injector

import (
	"errors"
	"fmt"
	"time"
)

// minDelay is the shortest delay that Istio accepts.
const minDelay = time.Millisecond

// Delay holds requests for a fixed time before it lets them go on. Callers see
// slow answers, not errors. At the Caller site the caller's proxy waits before
// its router runs, so the timeouts and retries of that route never see the
// delay; the application's own do. At the Upstream site the pod's proxy waits,
// and the caller's proxy sees it. The zero Delay is invalid.
type Delay struct {
	Fixed   time.Duration // how long each chosen request waits; 1ms or more
	Percent float64       // share of requests chosen, above 0 and up to 100
}

var _ Effect = Delay{}

// Validate reports every reason why d cannot be injected, or nil.
func (d Delay) Validate() error {
	return errors.Join(validDelay(d.Fixed), validPercent(d.Percent))
}

// validDelay reports why a request cannot be held for d, or nil.
func validDelay(d time.Duration) error {
	switch {
	case d <= 0:
		return fmt.Errorf("fixed: %s is not a positive duration", d)
	case d < minDelay:
		return fmt.Errorf("fixed: %s is below %s, the shortest delay that Istio accepts", d, minDelay)
	}
	return nil
}

// String returns the delay in words, such as "delay 2s on 100%".
func (d Delay) String() string { return fmt.Sprintf("delay %s on %v%%", d.Fixed, d.Percent) }

func (d Delay) inRoute(route object, _ spot) ([]object, error) {
	return faulted(route, object{"delay": object{"fixedDelay": seconds(d.Fixed), "percentage": object{"value": d.Percent}}})
}

func (d Delay) inPod(spot) ([]object, error) {
	return []object{{"delay": object{"fixed_delay": seconds(d.Fixed), "percentage": millionths(d.Percent)}}}, nil
}

func (d Delay) signs(spot) []Sign {
	return []Sign{{Percent: d.Percent, Flags: []string{flagDelayed}, Counter: counterDelays}}
}

func (d Delay) withPercent(percent float64) Effect {
	d.Percent = percent
	return d
}
