package preflight

import (
	"fmt"
	"strings"

	"github.com/faultline-mesh/faultline/internal/claim"
)

// wrongSite finds claims about what the mesh does between callers and a service
// while every fault there is made in the callers' proxies, before it does it.
func wrongSite(c *check) []Finding {
	var all []Finding
	for _, claimed := range c.Claims {
		_, ejects := ejections(claimed)
		tries := claimed.Kind == claim.Tries && strings.HasPrefix(claimed.Field, "during")
		s := c.faultedOnly(claimed)
		if s == nil || !ejects && !tries || c.atUpstream(s) {
			continue
		}
		what, blind := "retries", "retries of that hop never see it"
		if ejects {
			what, blind = "ejections", "no host answers, fails or times out, so that outlierDetection of "+s.String()+" has nothing to count"
		}
		all = append(all, Finding{Refused: true, Field: claimed.Field, Object: s.Object(), Text: fmt.Sprintf(
			"asserts %s of %s, and faults[%d] is made at the caller site, in the callers' proxies before their router: %s. "+
				"Set faults[%d].site: upstream, which makes it in the pods of %s.", what, s, c.first(s), blind, c.first(s), s)})
	}
	return all
}

// first returns the index of the first fault on a service.
func (c *check) first(s *Service) int {
	on, _ := c.about(s)
	return on[0]
}
