package preflight

import (
	"fmt"
	"slices"
	"time"

	"github.com/faultline-mesh/faultline/internal/claim"
)

// readmissionTooLate finds claims that hosts are taken back after the run has
// ended. An ejection lasts its time and up to one interval more; each further one
// of a host lasts longer.
func readmissionTooLate(c *check) []Finding {
	var all []Finding
	for _, claimed := range c.Claims {
		s := c.faultedOnly(claimed)
		if claimed.Kind != claim.Readmitted || s == nil || !c.atUpstream(s) || c.Recovery <= 0 {
			continue
		}
		for _, h := range c.hopsAt(s) {
			for _, r := range h.Routes {
				for _, d := range r.Destination {
					if text, never := c.late(d.Policy.Ejection); text != "" {
						f := Finding{Refused: never, Field: claimed.Field, Object: objectsOf([]Hop{h}, "DestinationRule"), Text: text}
						all = appendNew(all, f)
					}
				}
			}
		}
	}
	return all
}

func appendNew(all []Finding, f Finding) []Finding {
	if slices.Contains(all, f) {
		return all
	}
	return append(all, f)
}

// late says why a host that was ejected is not back in time, or "". never: not
// even with luck.
func (c *check) late(e *Ejection) (text string, never bool) {
	if e == nil {
		return "", false
	}
	again, sum := 1, e.Base // the last ejection that begins while the fault is in force
	for sum < c.Duration && again < 10 {
		again++
		sum += time.Duration(again) * e.Base
	}
	lasts := time.Duration(again) * e.Base
	earliest, latest := lasts, lasts+e.Interval // after the fault is out
	if again == 1 {
		earliest, latest = max(0, e.Base-c.Duration), max(0, e.Base+e.Interval-c.Duration)
	}
	if latest <= c.Recovery {
		return "", false
	}
	what := fmt.Sprintf("an ejection lasts %s (baseEjectionTime) and up to %s (interval) more", e.Base, e.Interval)
	if again > 1 {
		what += fmt.Sprintf(", and a host that comes back while it still fails, as it does within the %s of duration, is ejected again for longer: %s in the end",
			c.Duration, lasts)
	}
	advice := fmt.Sprintf("Make recovery %s", roundUp(latest.Seconds()+0.5))
	if again > 1 {
		advice += fmt.Sprintf(", or duration less than %s", e.Base)
	}
	if earliest > c.Recovery && again == 1 {
		return fmt.Sprintf("asserts that hosts are taken back, and that comes after the end of the run: %s, and recovery is %s. %s.", what, c.Recovery, advice), true
	}
	return fmt.Sprintf("asserts that hosts are taken back, and recovery, which is %s, may end before: %s. %s.", c.Recovery, what, advice), false
}
