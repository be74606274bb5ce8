package preflight

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/claim"
)

// timeoutNotReached warns of claims that requests time out where the timeout of
// the faulted hop does not end them. Another hop's, or the application's, may.
func timeoutNotReached(c *check) []Finding {
	var all []Finding
	for _, claimed := range c.Claims {
		if claimed.Kind != claim.TimedOut || !slices.Equal(claimed.Phases, []Phase{During}) || !strings.HasPrefix(claimed.Field, "during") {
			continue
		}
		for i, f := range c.Faults {
			longest := time.Duration(0)
			for _, y := range symptoms(f) {
				longest = max(longest, y.delay)
			}
			s, _ := c.faulted(f.On)
			if longest == 0 || s == nil {
				continue
			}
			if text := c.notEnded(f, s, longest, i); text != "" {
				all = append(all, Finding{Field: claimed.Field, Object: objectsOf(c.hopsAt(s), "VirtualService"), Text: text})
			}
		}
	}
	return all
}

// notEnded says why no caller's proxy ends a request to s that is delayed, or "".
func (c *check) notEnded(f injector.Fault, s *Service, delay time.Duration, i int) string {
	const beyond = " Unless a hop before it, or the application, has a timeout, nobody answers with 504."
	if f.Site == injector.Caller {
		return fmt.Sprintf("asserts timeouts, and faults[%d] holds requests in the callers' proxies, before the timeout of the route to %s begins to count."+
			beyond+" To try that timeout set faults[%d].site: upstream.", i, s, i)
	}
	longest := time.Duration(0)
	for _, h := range c.hopsAt(s) {
		for _, r := range h.Routes {
			if limit := r.lasts(); limit > 0 && limit < delay {
				return ""
			}
			longest = max(longest, r.lasts())
		}
	}
	if longest == 0 {
		return fmt.Sprintf("asserts timeouts, and callers of %s have none."+beyond+" Set timeout in the route to %s.", s, s)
	}
	return fmt.Sprintf("asserts timeouts, and callers of %s wait %s, which is longer than the delay of %s."+beyond+" Set faults[%d].delay.fixed to more than %s.",
		s, longest, delay, i, longest)
}
