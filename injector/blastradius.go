package injector

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// BlastRadius limits what faults may hurt. A plan that would go beyond it is
// refused. The zero value allows scoped faults in the targets' own namespaces.
type BlastRadius struct {
	// Namespaces are those in which faults may be made and objects edited;
	// empty means the namespaces of the faults' targets. Those of the control
	// plane are never allowed.
	Namespaces []string

	MaxPercent float64 // the highest Percent of a fault; 0 means 100
	MaxPods    int     // on how many pods all Upstream faults together are made; 0 means no limit
	AllTraffic bool    // faults may hit requests that are not the run's own
}

// ValidateFaults reports, as a *[RefusedError], everything that is wrong with
// faults as far as it can be told without looking at the mesh, or nil. No
// faults at all are valid.
func ValidateFaults(faults []Fault, limits BlastRadius) error {
	reasons := slices.Concat(limits.problems(), hidden(faults), unequalRamps(faults))
	for i, f := range faults {
		reasons = append(reasons, limits.refuses(i, f)...)
	}
	return refused(reasons)
}

// problems returns what is wrong with the limits themselves.
func (b BlastRadius) problems() []Reason {
	var reasons []Reason
	for i, namespace := range b.Namespaces {
		if isDenied(namespace) {
			reasons = append(reasons, Reason{fmt.Sprintf("blastRadius.namespaces[%d]", i), deniedText(namespace)})
		}
	}
	if b.MaxPercent < 0 || b.MaxPercent > 100 || b.MaxPercent != b.MaxPercent {
		reasons = append(reasons, Reason{"blastRadius.maxPercent", fmt.Sprintf("%v is not between 0 and 100", b.MaxPercent)})
	}
	if b.MaxPods < 0 {
		reasons = append(reasons, Reason{"blastRadius.maxPods", fmt.Sprintf("%d is negative", b.MaxPods)})
	}
	return reasons
}

// refuses returns what is wrong with fault i by itself and within the limits.
func (b BlastRadius) refuses(i int, f Fault) []Reason {
	var reasons []Reason
	refuse := func(field, format string, args ...any) {
		reasons = append(reasons, Reason{fmt.Sprintf("faults[%d].%s", i, field), fmt.Sprintf(format, args...)})
	}
	b.refuseTarget(f.On, refuse)
	switch {
	case f.Site != Caller && f.Site != Upstream:
		refuse("site", "%s: say Caller or Upstream, it decides what the fault can test", f.Site)
	case f.Site == Caller && f.Pods != 0:
		refuse("pods", "only the Upstream site picks pods; a Caller fault is made in every caller's proxy")
	case f.Pods < 0:
		refuse("pods", "%d is negative", f.Pods)
	case b.MaxPods > 0 && f.Pods > b.MaxPods:
		refuse("pods", "%d is above blastRadius.maxPods %d", f.Pods, b.MaxPods)
	}
	if f.AllTraffic && !b.AllTraffic {
		refuse("allTraffic", "needs blastRadius.allTraffic: requests that are not the run's own would meet the fault")
	}
	b.refuseEffect(f, refuse)
	return reasons
}

func (b BlastRadius) refuseTarget(on Service, refuse func(field, format string, args ...any)) {
	name := func(field, value string) {
		if value == "" {
			refuse(field, "is missing")
		} else if bad := validation.IsDNS1123Label(value); len(bad) > 0 {
			refuse(field, "%q: %s", value, strings.Join(bad, "; "))
		}
	}
	name("on.namespace", on.Namespace)
	name("on.name", on.Name)
	if on.Subset != "" {
		name("on.subset", on.Subset)
	}
	if on.Port < 0 || on.Port > 65535 {
		refuse("on.port", "%d is not a port", on.Port)
	}
	if on.Namespace != "" {
		if text := b.forbids(on.Namespace, []string{on.Namespace}); text != "" {
			refuse("on.namespace", "%s", text)
		}
	}
}

// refuseEffect reports what is wrong with the effect of a fault and its ramp.
func (b BlastRadius) refuseEffect(f Fault, refuse func(field, format string, args ...any)) {
	if f.Effect == nil {
		refuse("effect", "is missing")
		return
	}
	found := problems(f.Effect.Validate())
	for _, problem := range found {
		field, text, _ := strings.Cut(problem.Error(), ": ")
		refuse(field, "%s", text)
	}
	f.refuseRamp(refuse)
	if len(found) > 0 {
		return // there is nothing to render
	}
	if f.Site == Upstream {
		if _, err := f.Effect.inPod(spot{}); err != nil {
			refuse("site", "%v cannot be made there: %v", f.Effect, err)
		}
	}
	percent := f.Percent()
	if limit := b.MaxPercent; limit > 0 && percent > limit {
		if _, own := f.Effect.(ramped); own {
			refuse("percent", "%v is above blastRadius.maxPercent %v", percent, limit)
		} else {
			refuse("effect", "%v meets %v%% of the requests, which is above blastRadius.maxPercent %v", f.Effect, percent, limit)
		}
	}
}

// forbids says why nothing may be done in namespace, or "". targets are the
// namespaces of the faults, which count when none are listed.
func (b BlastRadius) forbids(namespace string, targets []string) string {
	if isDenied(namespace) {
		return deniedText(namespace)
	}
	allowed := b.Namespaces
	if len(allowed) == 0 {
		allowed = targets
	}
	if slices.Contains(allowed, namespace) {
		return ""
	}
	return fmt.Sprintf("namespace %q is outside blastRadius.namespaces %q", namespace, allowed)
}

// isDenied says whether faults in namespace are out of the question.
func isDenied(namespace string) bool {
	switch namespace {
	case "kube-system", "kube-public", "istio-system":
		return true
	}
	return false
}

func deniedText(namespace string) string {
	return fmt.Sprintf("namespace %q is never faulted: the mesh itself depends on it", namespace)
}

// hidden refuses Caller faults of which another one would take all requests:
// of two routes for the same requests, only the first is ever used.
func hidden(faults []Fault) []Reason {
	var reasons []Reason
	for i, f := range faults {
		for j, earlier := range faults[:i] {
			if f.Site == Caller && earlier.Site == Caller && overlap(f.On, earlier.On) {
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
func overlap(a, b Service) bool {
	samePort := a.Port == 0 || b.Port == 0 || a.Port == b.Port
	sameSubset := a.Subset == "" || b.Subset == "" || a.Subset == b.Subset
	return a.Namespace == b.Namespace && a.Name == b.Name && samePort && sameSubset
}
