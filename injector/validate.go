package injector

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// ValidateFaults reports, as a *[RefusedError], everything that is wrong with
// faults as far as it can be told without looking at the mesh, or nil. No
// faults at all are valid.
func ValidateFaults(faults []Fault, limits BlastRadius) error {
	b := bounds{BlastRadius: limits}
	reasons := slices.Concat(b.problems(), hidden(faults), unequalRamps(faults))
	for i, f := range faults {
		reasons = append(reasons, b.refuses(i, f)...)
	}
	return refused(reasons)
}

// refuser notes a reason against one fault.
type refuser func(field, format string, args ...any)

// refuses returns what is wrong with fault i by itself and within the limits.
func (b bounds) refuses(i int, f Fault) []Reason {
	var reasons []Reason
	refuse := func(field, format string, args ...any) {
		reasons = append(reasons, Reason{fmt.Sprintf("faults[%d].%s", i, field), fmt.Sprintf(format, args...)})
	}
	b.refuseTarget(f, refuse)
	switch f.Site {
	case Caller:
		refuseForCaller(f, refuse)
	case Upstream:
		b.refuseForUpstream(f, refuse)
	case NoSite:
		fallthrough
	default:
		refuse("site", "%s: say Caller or Upstream, it decides what the fault can test", f.Site)
	}
	b.refuseScope(f, refuse)
	b.refuseEffect(f, refuse)
	return reasons
}

func (b bounds) refuseTarget(f Fault, refuse refuser) {
	on := f.On
	name := func(field, value, what string) {
		if value == "" {
			refuse(field, "is missing%s", what)
		} else if text := wrongName(value); text != "" {
			refuse(field, "%q: %s", value, text)
		}
	}
	name("on.namespace", on.Namespace, "")
	if on.Host != "" {
		refuseHost(f, refuse)
	} else {
		name("on.name", on.Name, ", and so is host: a Service's name or a ServiceEntry's host is needed")
	}
	if on.Subset != "" {
		name("on.subset", on.Subset, "")
	}
	if on.Port < 0 || on.Port > 65535 {
		refuse("on.port", "%d is not a port", on.Port)
	}
	if on.Namespace != "" {
		if text := b.forbids(on.Namespace); text != "" {
			refuse("on.namespace", "%s", text)
		}
	}
}

func refuseHost(f Fault, refuse refuser) {
	host := f.On.Host
	switch {
	case f.On.Name != "":
		refuse("on.host", "goes without a name: it is the host of a ServiceEntry, the name that of a Service")
	case strings.HasPrefix(host, "*"):
		refuse("on.host", "%q stands for many services: name one of them, with a ServiceEntry of its own", host)
	case wrongHost(strings.ToLower(host)) != "" || !strings.Contains(host, "."):
		refuse("on.host", "%q is not a whole host name, such as api.example.com", host)
	case f.Site == Upstream:
		refuse("on.host", "a ServiceEntry has no pods to make the fault in: use the caller site")
	}
}

func refuseForCaller(f Fault, refuse refuser) {
	for _, field := range f.picks() {
		refuse(field, "only the Upstream site picks pods; a Caller fault is made in every caller's proxy")
	}
	for _, reason := range f.From.problems() {
		refuse(reason.Field, "%s", reason.Text)
	}
}

func (b bounds) refuseForUpstream(f Fault, refuse refuser) {
	if f.From.String() != "" {
		refuse("from", "requests that reach a pod do not tell who sent them: use the caller site, "+
			"or headers that only these callers send")
	}
	if p := f.PodsPercent; p != 0 && !(p > 0 && p <= 100) {
		refuse("podsPercent", "%v is not above 0 and up to 100", p)
	}
	if fields := f.picks(); len(fields) > 1 {
		refuse(fields[0], "goes without %s: they say the same in different ways", strings.Join(fields[1:], " and "))
	}
	refusePodNames(f.PodNames, refuse)
	switch {
	case f.Pods < 0:
		refuse("pods", "%d is negative", f.Pods)
	case b.MaxPods > 0 && f.Pods > b.MaxPods:
		refuse("pods", "%d is above blastRadius.maxPods %d", f.Pods, b.MaxPods)
	case b.MaxPods > 0 && len(f.PodNames) > b.MaxPods:
		refuse("podNames", "%d pods are above blastRadius.maxPods %d", len(f.PodNames), b.MaxPods)
	}
}

func refusePodNames(names []string, refuse refuser) {
	for i, name := range names {
		if text := wrongHost(name); text != "" {
			refuse(fmt.Sprintf("podNames[%d]", i), "%q: %s", name, text)
		} else if slices.Contains(names[:i], name) {
			refuse(fmt.Sprintf("podNames[%d]", i), "%q is there twice", name)
		}
	}
}

// picks returns the fields of f that say on which pods it is made.
func (f Fault) picks() []string {
	var fields []string
	if f.Pods != 0 {
		fields = append(fields, "pods")
	}
	if f.PodsPercent != 0 {
		fields = append(fields, "podsPercent")
	}
	if len(f.PodNames) > 0 {
		fields = append(fields, "podNames")
	}
	return fields
}

// headerName is what Istio takes for the name of a header in a match.
var headerName = regexp.MustCompile(`^[-_A-Za-z0-9]+$`)

// notHeaders are names under which a match does not find the header.
var notHeaders = []string{"uri", "scheme", "method", "authority", "host"}

func (b bounds) refuseScope(f Fault, refuse refuser) {
	if f.AllTraffic && !b.AllTraffic {
		refuse("allTraffic", "needs blastRadius.allTraffic: requests that are not the run's own would meet the fault")
	}
	if f.AllTraffic && len(f.Headers) > 0 {
		refuse("headers", "goes without allTraffic: either all requests meet the fault, or those with the headers")
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(f.Headers)) {
		if text := wrongHeader(name, f.Headers[name]); text != "" {
			refuse("headers", "%s", text)
		} else if seen[strings.ToLower(name)] {
			refuse("headers", "%s is there twice", name)
		}
		seen[strings.ToLower(name)] = true
	}
}

// wrongHeader says why requests cannot be told by a header and its value, or "".
func wrongHeader(name, value string) string {
	lower := strings.ToLower(name)
	switch {
	case !headerName.MatchString(name):
		return fmt.Sprintf("%q is not the name of a header", name)
	case slices.Contains(notHeaders, lower):
		return name + " is not matched as a header by Istio"
	case lower == HeaderRun || lower == HeaderBaggage:
		return name + " tells which run a request belongs to, which is asked when there are no headers here"
	case value == "" || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Sprintf("%s: %q is not a value that a header can have", name, value)
	}
	return ""
}

// refuseEffect reports what is wrong with the effect of a fault and its ramp.
func (b bounds) refuseEffect(f Fault, refuse refuser) {
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

// wrongName says why text names no namespace or Service, or "".
func wrongName(text string) string {
	return strings.Join(validation.IsDNS1123Label(text), "; ")
}

// wrongHost says why text is no host, and names no pod or Gateway, or "".
func wrongHost(text string) string {
	return strings.Join(validation.IsDNS1123Subdomain(text), "; ")
}

// wrongLabel says why name and value are no label, or "".
func wrongLabel(name, value string) string {
	return strings.Join(append(validation.IsQualifiedName(name), validation.IsValidLabelValue(value)...), "; ")
}
