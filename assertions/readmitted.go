package assertions

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/observe"
)

// HaveReadmitted succeeds if every host of service that was ejected, in the
// observed time or already before it, was taken back by every proxy that had
// ejected it. Service is named as in [observe.Cluster.Serves].
//
// It takes any value with a method MeshChange() observe.Change. Where no host of
// service was out its error is [NoSamples]: there was nothing to take back.
func HaveReadmitted(service string) types.GomegaMatcher {
	const name = "HaveReadmitted"
	about := claim.Claim{Kind: claim.Readmitted, Service: service, Range: claim.Any()}
	return &matcher{text: "all ejected hosts of " + service + " readmitted", about: about, judge: func(actual any) (finding, error) {
		traffic, err := trafficTo(name, service, actual)
		if err != nil {
			return finding{}, err
		}
		before, within := traffic.ejections()
		ejections := slices.Concat(before, within)
		if len(ejections) == 0 {
			return finding{}, noSamples(name, "no host of %s was ejected", service)
		}
		return readmitted(service, traffic.change, ejections), nil
	}}
}

func readmitted(service string, change observe.Change, ejections []observe.Ejection) finding {
	all, out := map[string]bool{}, map[string]bool{}
	for _, e := range ejections {
		all[e.Address] = true
		if e.ReadmittedAt.IsZero() {
			out[e.Address] = true
		}
	}
	were := "were"
	if len(out) == 1 {
		were = "was"
	}
	return finding{
		holds: len(out) == 0,
		failure: fmt.Sprintf("Expected all ejected hosts of %s to be readmitted, but %d of %d %s still out",
			service, len(out), len(all), were),
		negated: fmt.Sprintf("Expected an ejected host of %s to stay out, but %s readmitted",
			service, allWere(len(all))),
		evidence: service + ": " + strings.Join(shortened(absences(change, ejections)), "; "),
		measured: strings.Join(shortened(absences(change, ejections)), "; "),
	}
}

func allWere(hosts int) string {
	if hosts == 1 {
		return "the only one was"
	}
	return fmt.Sprintf("all %d were", hosts)
}

// absences tells how long each ejection lasted, the open ones first.
func absences(change observe.Change, ejections []observe.Ejection) []string {
	ejections = slices.Clone(ejections)
	slices.SortStableFunc(ejections, func(a, b observe.Ejection) int {
		return cmp.Or(a.ReadmittedAt.Compare(b.ReadmittedAt), cmp.Compare(a.Address, b.Address))
	})
	stories := make([]string, len(ejections))
	for i, e := range ejections {
		if e.ReadmittedAt.IsZero() {
			stories[i] = fmt.Sprintf("%s was out for %s and still is", e.Address, roundDuration(change.To.Sub(e.At), 3))
		} else {
			stories[i] = fmt.Sprintf("%s was back after %s", e.Address, roundDuration(e.ReadmittedAt.Sub(e.At), 3))
		}
	}
	return stories
}
