// The rules that refuse: what keeps a run from answering its question.

package preflight

import (
	"slices"
	"strings"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/claim"
)

// refusals are the rules that refuse, and those that compute what a run needs.
func refusals() []rule {
	return []rule{
		{"fault-site", wrongSite},
		{"fault-on-nobody", faultOnNobody},
		{"ejection-impossible", ejectionImpossible},
		{"ejection-missing", ejectionMissing},
		{"ejection-status", ejectionStatus},
		{"ejection-too-rare", ejectionTooRare},
		{"retry-not-covered", retryNotCovered},
		{"tries-do-not-fit", triesDoNotFit},
		{"too-few-requests", tooFewRequests},
		{"readmission-too-late", readmissionTooLate},
		{"timeout-not-reached", timeoutNotReached},
	}
}

// about returns the faults on a service that a claim is about, by their index,
// and whether the experiment has others, which may bring about what is claimed,
// too. Faults that take policies out claim nothing themselves.
func (c *check) about(s *Service) (on []int, others bool) {
	for i, f := range c.Faults {
		if _, lifts := f.Effect.(injector.Without); lifts {
			others = true
		} else if target, _ := c.faulted(f.On); target != nil && target.Host == s.Host {
			on = append(on, i)
		} else {
			others = true
		}
	}
	return on, others
}

// faultedOnly returns the service that a claim is about when every fault of the
// experiment is on it, so that what happens there is their doing, and the claim
// must hold while they are in force.
func (c *check) faultedOnly(claimed Claimed) *Service {
	if claimed.Service == "" || !slices.Contains(claimed.Phases, During) && claimed.Kind != claim.Readmitted {
		return nil
	}
	services := c.named(claimed.Service)
	if len(services) != 1 {
		return nil
	}
	if on, others := c.about(services[0]); len(on) == 0 || others {
		return nil
	}
	return services[0]
}

// hopsAt returns the calls of the experiment to a service.
func (c *check) hopsAt(s *Service) []Hop {
	var all []Hop
	for _, h := range c.hops {
		if h.To.Host == s.Host {
			all = append(all, h)
		}
	}
	return all
}

// atUpstream says whether a fault of the experiment on the service is made in its
// pods.
func (c *check) atUpstream(s *Service) bool {
	on, _ := c.about(s)
	return slices.ContainsFunc(on, func(i int) bool { return c.Faults[i].Site == injector.Upstream })
}

// ejections says whether a claim wants hosts to be ejected, and how many.
func ejections(claimed Claimed) (atLeast int, wanted bool) {
	switch claimed.Kind {
	case claim.Readmitted:
		return 1, true
	case claim.Ejected:
		return int(claimed.Range.Low), claimed.Range.Low >= 1 && claimed.Range.Low < 1e6
	default:
		return 0, false
	}
}

// retried says whether a claim wants requests to be tried again.
func retried(claimed Claimed) bool {
	return claimed.Kind == claim.Tries && claimed.Range.Low > 1 && claimed.Range.Low < 1e6
}

// objectsOf names the objects that policies of hops come from, those of a kind.
func objectsOf(hops []Hop, kind string) string {
	var names []string
	add := func(name string) {
		if strings.HasPrefix(name, kind+" ") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, h := range hops {
		for _, r := range h.Routes {
			add(r.Object)
			for _, d := range r.Destination {
				for _, name := range d.Policy.Objects {
					add(name)
				}
			}
		}
	}
	return strings.Join(names, ", ")
}
