package preflight

import (
	"fmt"
	"math"

	"github.com/faultline-mesh/faultline/internal/stats"
)

// adviceForeignRequests tells what an ejection takes when others use the service
// meanwhile: errors in a row are counted over all requests of a caller's proxy to
// a host, and a fault that only the run's requests meet lets theirs succeed.
func adviceForeignRequests(c *check) []Finding {
	for _, claimed := range c.Claims {
		n, is := c.rowNeed(claimed)
		if !is || n.inRow < 2 {
			continue
		}
		on, _ := c.about(c.faultedOnly(claimed))
		f := c.Faults[on[0]]
		if f.AllTraffic {
			continue
		}
		half := int(math.Ceil(stats.TrialsUntilRow(n.inRow, f.Percent()/200)))
		return []Finding{{Field: claimed.Field, Text: fmt.Sprintf(
			"only requests in the fault's scope fail, and %d errors in a row are counted over all requests of a caller's proxy to a host. While others send as many, which succeed, "+
				"it takes about %s on one host, not %d; and a host that is ejected is so for them, too. Run it where nobody else calls %s, or with allTraffic: true.",
			n.inRow, plural(half, "request"), int(math.Ceil(stats.TrialsUntilRow(n.inRow, f.Percent()/100)-1e-9)), claimed.Service)}}
	}
	return nil
}
