package injector

import (
	"fmt"
	"strings"
)

// hidden refuses Caller faults of which another one would take requests: of two
// routes for the same requests, only the first is ever used.
func hidden(faults []Fault) []Reason {
	var reasons []Reason
	for i, f := range faults {
		for j, earlier := range faults[:i] {
			if f.Site == Caller && earlier.Site == Caller && overlap(f, earlier) {
				reasons = append(reasons, Reason{
					fmt.Sprintf("faults[%d].on", i),
					fmt.Sprintf("%s is what faults[%d] is on too, at the same site: that one would hide this one", f.On, j),
				})
				break
			}
		}
	}
	return reasons
}

// overlap says whether a request can be meant by both.
func overlap(a, b Fault) bool {
	samePort := a.On.Port == 0 || b.On.Port == 0 || a.On.Port == b.On.Port
	sameSubset := a.On.Subset == "" || b.On.Subset == "" || a.On.Subset == b.On.Subset
	return target(a.On) == target(b.On) && samePort && sameSubset && !a.From.disjoint(b.From) && !exclude(a.Headers, b.Headers)
}

// exclude says whether no request has the headers of both, because they ask for
// different values of one.
func exclude(a, b map[string]string) bool {
	for name, value := range a {
		for other, theirs := range b {
			if strings.EqualFold(name, other) && value != theirs {
				return true
			}
		}
	}
	return false
}
