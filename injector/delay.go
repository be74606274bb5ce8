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
	var fixed error
	switch {
	case d.Fixed <= 0:
		fixed = fmt.Errorf("fixed: %s is not a positive duration", d.Fixed)
	case d.Fixed < minDelay:
		fixed = fmt.Errorf("fixed: %s is below %s, the shortest delay that Istio accepts", d.Fixed, minDelay)
	}
	return errors.Join(fixed, validPercent(d.Percent))
}

// String returns the delay in words, such as "delay 2s on 100%".
func (d Delay) String() string { return fmt.Sprintf("delay %s on %v%%", d.Fixed, d.Percent) }

func (d Delay) istioFault() object {
	return object{"delay": object{"fixedDelay": seconds(d.Fixed), "percentage": object{"value": d.Percent}}}
}

func (d Delay) envoyFault() object {
	return object{"delay": object{"fixed_delay": seconds(d.Fixed), "percentage": millionths(d.Percent)}}
}

func (d Delay) percent() float64 { return d.Percent }
