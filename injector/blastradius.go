package injector

import (
	"fmt"
	"slices"
	"strings"
)

// BlastRadius limits what faults may hurt. A plan that would go beyond it is
// refused, and so is a write that would. The zero value allows scoped faults in
// the targets' own namespaces.
type BlastRadius struct {
	// Namespaces are those in which faults may be made and objects edited;
	// empty means the namespaces of the faults' targets. Those of the control
	// plane are never allowed.
	Namespaces []string

	// NamespaceLabel, such as "faultline.dev/allowed=true", is what every
	// namespace must carry in which something is written; empty means none. To
	// read it takes the right to get these namespaces, which a Role in each of
	// them can grant.
	NamespaceLabel string

	MaxPercent float64 // the highest Percent of a fault; 0 means 100
	MaxPods    int     // on how many pods all Upstream faults together are made; 0 means no limit
	AllTraffic bool    // faults may hit requests that nobody marked for them
}

// bounds are limits in one mesh.
type bounds struct {
	BlastRadius
	root string // the mesh's root namespace, never allowed either; see WithRootNamespace
}

// problems returns what is wrong with the limits themselves.
func (b bounds) problems() []Reason {
	var reasons []Reason
	refuse := func(field, format string, args ...any) {
		reasons = append(reasons, Reason{"blastRadius." + field, fmt.Sprintf(format, args...)})
	}
	for i, namespace := range b.Namespaces {
		if b.denies(namespace) {
			refuse(fmt.Sprintf("namespaces[%d]", i), "%s", deniedText(namespace))
		}
	}
	if b.NamespaceLabel != "" {
		name, value, found := strings.Cut(b.NamespaceLabel, "=")
		if text := wrongLabel(name, value); !found {
			refuse("namespaceLabel", "%q is not name=value", b.NamespaceLabel)
		} else if text != "" {
			refuse("namespaceLabel", "%q: %s", b.NamespaceLabel, text)
		}
	}
	if b.MaxPercent < 0 || b.MaxPercent > 100 || b.MaxPercent != b.MaxPercent {
		refuse("maxPercent", "%v is not between 0 and 100", b.MaxPercent)
	}
	if b.MaxPods < 0 {
		refuse("maxPods", "%d is negative", b.MaxPods)
	}
	return reasons
}

// within returns b with its namespaces written out: those of the faults'
// targets when it names none.
func (b bounds) within(faults []Fault) bounds {
	if len(b.Namespaces) == 0 {
		for _, f := range faults {
			b.Namespaces = append(b.Namespaces, f.On.Namespace)
		}
		slices.Sort(b.Namespaces)
		b.Namespaces = slices.Compact(b.Namespaces)
	}
	return b
}

// forbids says why nothing may be done in namespace, or "". None listed means
// that only the mesh's own are out of the question.
func (b bounds) forbids(namespace string) string {
	switch {
	case b.denies(namespace):
		return deniedText(namespace)
	case len(b.Namespaces) == 0 || slices.Contains(b.Namespaces, namespace):
		return ""
	}
	return fmt.Sprintf("namespace %q is outside blastRadius.namespaces %q", namespace, b.Namespaces)
}

// denies says whether faults in namespace are out of the question.
func (b bounds) denies(namespace string) bool {
	switch namespace {
	case "kube-system", "kube-public", DefaultRootNamespace:
		return true
	}
	return b.root != "" && namespace == b.root
}

func deniedText(namespace string) string {
	return fmt.Sprintf("namespace %q is never faulted: the mesh itself depends on it", namespace)
}

// unlabelled says why a namespace with these labels has not opted in, or "".
func (b bounds) unlabelled(namespace string, labels map[string]string) string {
	name, value, _ := strings.Cut(b.NamespaceLabel, "=")
	if b.NamespaceLabel == "" {
		return ""
	}
	if have, found := labels[name]; !found || have != value {
		return fmt.Sprintf("namespace %q lacks the label %s that blastRadius.namespaceLabel asks for: "+
			"kubectl label namespace %s %s allows faults there", namespace, b.NamespaceLabel, namespace, b.NamespaceLabel)
	}
	return ""
}
