// What an experiment's matchers assert, and when.

package experiments

import (
	"cmp"
	"fmt"

	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/internal/claim"
)

// claims lists what e's matchers assert, as far as they say it: those of package
// assertions do, those of others do not. HaltWhen asserts nothing.
func (e Experiment) claims() []preflight.Claimed {
	var all []preflight.Claimed
	for _, list := range []struct {
		field    string
		matchers []Matcher
		phases   []preflight.Phase
	}{
		{"steadyState", e.SteadyState, []preflight.Phase{preflight.Baseline, preflight.During, preflight.Recovery}},
		{"healthy", e.Healthy, []preflight.Phase{preflight.Baseline, preflight.Recovery}},
		{"during", e.During, []preflight.Phase{preflight.During}},
		{"recovered", e.Recovered, []preflight.Phase{preflight.Recovery}},
	} {
		for i, m := range list.matchers {
			if about, ok := claimOf(m); ok {
				about.Samples = about.Needed(cmp.Or(e.Alpha, DefaultAlpha))
				all = append(all, preflight.Claimed{Claim: about, Field: fmt.Sprintf("%s[%d]", list.field, i), Phases: list.phases})
			}
		}
	}
	return all
}

// claimOf returns what a matcher asserts, if it says so.
func claimOf(m Matcher) (claim.Claim, bool) {
	says, ok := m.(interface{ Claim() claim.Claim })
	if !ok {
		return claim.Claim{}, false
	}
	return says.Claim(), true
}
