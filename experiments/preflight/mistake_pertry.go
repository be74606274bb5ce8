package preflight

import (
	"fmt"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

// perTryCutsAll finds a perTryTimeout that ends ordinary calls: the first try has
// it as well as the others.
func perTryCutsAll(c *check) []Finding {
	return c.eachRoute(func(h Hop, r Route) string {
		limit := r.Retries.PerTry
		if r.Retries.Attempts == 0 || limit == 0 || r.Timeout > 0 && limit >= r.Timeout {
			return ""
		}
		if !r.Retries.coversTimeouts() {
			return fmt.Sprintf("has a perTryTimeout of %s, which the first try has as well, and no condition in retryOn by which a try that ran out of it is repeated: "+
				"every call longer than %s ends in a 504, and nobody tries again. Add 5xx, gateway-error or reset to retryOn, or say timeout: %s in place of perTryTimeout.",
				limit, limit, limit)
		}
		i, delay := c.heldBetween(h.To.Host, limit, r.Timeout)
		if delay == 0 {
			return ""
		}
		return fmt.Sprintf("has a perTryTimeout of %s, which the first try has as well: a call that faults[%d] holds for %s is cut off at %s, though %s would allow it. "+
			"If such calls should pass, set perTryTimeout above %s, or leave it out.",
			limit, i, delay, limit, allowance(r), delay)
	})
}

// heldBetween returns the first fault that holds calls of a service at its
// upstream for longer than least and less than most, of which 0 is no limit.
func (c *check) heldBetween(host string, least, most time.Duration) (fault int, held time.Duration) {
	for i, f := range c.Faults {
		delay, slow := f.Effect.(injector.Delay)
		s, _ := c.faulted(f.On)
		ours := slow && f.Site == injector.Upstream && s != nil && s.Host == host
		if ours && delay.Fixed > least && (most == 0 || delay.Fixed < most) {
			return i, delay.Fixed
		}
	}
	return 0, 0
}

func allowance(r Route) string {
	if r.Timeout == 0 {
		return "a route without timeout"
	}
	return "the timeout of " + r.Timeout.String()
}
