package injector

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// anywhere stands for the namespaces that no exportTo names.
const anywhere = ""

// findOwner returns the VirtualService whose routes sidecars use for requests
// to svc, or nil when there is none, and notes about callers it is not for.
// What istiod does, in order:
//
//   - a VirtualService counts when it is bound to the gateway mesh and has HTTP
//     routes, and for callers in the namespaces it is exported to;
//   - one that names the host itself beats wildcards, a longer wildcard beats a
//     shorter one;
//   - one that is private to the caller's namespace beats one exported to it by
//     name, which beats a public one;
//   - the oldest wins, then the first by name, then by namespace.
//
// Callers in different namespaces can thus have different owners; then, and
// when it takes more than these objects to tell, the error says why.
func findOwner(list []*unstructured.Unstructured, svc Service, domain string) (*unstructured.Unstructured, []string, error) {
	var candidates []candidate
	namespaces := []string{anywhere, svc.Namespace}
	for _, vs := range list {
		c, err := newCandidate(vs, svc, domain)
		if err != nil {
			return nil, nil, err
		}
		if c == nil {
			continue
		}
		candidates = append(candidates, *c)
		namespaces = append(namespaces, c.exportTo...)
	}
	slices.Sort(namespaces)
	return soleOwner(candidates, slices.Compact(namespaces))
}

// soleOwner returns the one owner that callers in all the namespaces have.
func soleOwner(candidates []candidate, namespaces []string) (*unstructured.Unstructured, []string, error) {
	var owner *candidate
	var without []string
	for _, namespace := range namespaces {
		found := ownerFor(namespace, candidates)
		switch {
		case found == nil:
			without = append(without, callersIn(namespace))
		case owner == nil:
			owner = found
		case owner.vs != found.vs:
			return nil, nil, fmt.Errorf("callers have different VirtualServices for it, depending on their namespace: "+
				"%s and %s; export one of them to every caller", refOf(owner.vs), refOf(found.vs))
		}
	}
	if owner == nil {
		return nil, nil, nil
	}
	if owner.pattern == "*" {
		return nil, nil, fmt.Errorf("%s routes it with host \"*\", and with it everything else", refOf(owner.vs))
	}
	var notes []string
	if len(without) > 0 {
		notes = append(notes, fmt.Sprintf("%s is not exported to %s: requests from there do not meet the fault",
			refOf(owner.vs), strings.Join(without, ", ")))
	}
	return owner.vs, notes, nil
}

func callersIn(namespace string) string {
	if namespace == anywhere {
		return "other namespaces"
	}
	return "namespace " + namespace
}

// candidate is a VirtualService that stands for a service in sidecars.
type candidate struct {
	vs       *unstructured.Unstructured
	pattern  string   // its most specific host for the service
	exportTo []string // namespaces it is visible in; empty: everywhere
	routes   bool     // it has HTTP routes
}

// newCandidate returns vs as a candidate for svc, or nil when it is none.
func newCandidate(vs *unstructured.Unstructured, svc Service, domain string) (*candidate, error) {
	if !forSidecars(vs.Object) {
		return nil, nil
	}
	exportTo, visible := exportedTo(vs)
	if !visible {
		return nil, nil
	}
	c := candidate{vs: vs, exportTo: exportTo, routes: len(at[[]any](vs.Object, "spec", "http")) > 0}
	fqdn, alias := svc.host(domain), ""
	for _, written := range stringsAt(vs.Object, "spec", "hosts") {
		host := resolveHost(written, vs.GetNamespace(), domain)
		if isAlias(host, svc) {
			alias = written
		}
		if hostMatches(host, fqdn) && moreSpecific(host, c.pattern) {
			c.pattern = host
		}
	}
	switch {
	case alias != "" && c.pattern != fqdn:
		return nil, fmt.Errorf("%s has host %q, which Istio does not take for %s though callers may use that name: "+
			"write the whole name there", refOf(vs), alias, fqdn)
	case c.pattern == "":
		return nil, nil
	}
	return &c, nil
}

// forSidecars says whether a VirtualService is bound to the gateway mesh.
func forSidecars(vs object) bool {
	gateways := stringsAt(vs, "spec", "gateways")
	return len(gateways) == 0 || slices.Contains(gateways, "mesh")
}

// exportedTo returns the namespaces in which vs is visible, none meaning all,
// and whether it is visible at all.
func exportedTo(vs *unstructured.Unstructured) (namespaces []string, visible bool) {
	exportTo := stringsAt(vs.Object, "spec", "exportTo")
	switch {
	case len(exportTo) == 0 || slices.Contains(exportTo, "*"):
		return nil, true
	case slices.Contains(exportTo, "~"):
		return nil, false
	}
	for _, namespace := range exportTo {
		if namespace == "." {
			namespace = vs.GetNamespace()
		}
		namespaces = append(namespaces, namespace)
	}
	return namespaces, true
}

// moreSpecific says whether host a, of two that match, is closer to the
// service than b: an exact one before wildcards, then the longer.
func moreSpecific(a, b string) bool {
	if wild := strings.HasPrefix(a, "*"); wild != (b == "" || strings.HasPrefix(b, "*")) {
		return !wild
	}
	return len(a) > len(b)
}

// ownerFor returns the candidate that rules callers in one namespace, or nil.
func ownerFor(namespace string, candidates []candidate) *candidate {
	var visible []candidate
	best := ""
	for _, c := range candidates {
		if c.rank(namespace) == invisible {
			continue
		}
		visible = append(visible, c)
		if moreSpecific(c.pattern, best) {
			best = c.pattern
		}
	}
	visible = slices.DeleteFunc(visible, func(c candidate) bool { return c.pattern != best })
	slices.SortFunc(visible, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(a.rank(namespace), b.rank(namespace)),
			a.vs.GetCreationTimestamp().Compare(b.vs.GetCreationTimestamp().Time),
			cmp.Compare(a.vs.GetName(), b.vs.GetName()),
			cmp.Compare(a.vs.GetNamespace(), b.vs.GetNamespace()),
		)
	})
	if !strings.HasPrefix(best, "*") { // of exact ones, those without HTTP routes leave it to the next
		visible = slices.DeleteFunc(visible, func(c candidate) bool { return !c.routes })
	}
	if len(visible) == 0 || !visible[0].routes {
		return nil
	}
	return &visible[0]
}

const (
	private = iota // exported to its own namespace, that of the caller
	exported
	public
	invisible
)

// rank is c's place in the order in which callers in a namespace see it.
func (c candidate) rank(namespace string) int {
	switch {
	case len(c.exportTo) == 0:
		return public
	case namespace == anywhere || !slices.Contains(c.exportTo, namespace):
		return invisible
	case namespace == c.vs.GetNamespace():
		return private
	}
	return exported
}

// checkOwner reports why clones in the routes of vs would not reach all its
// callers, or nil.
func checkOwner(vs object) error {
	routes := objectsAt(vs, "spec", "http")
	for i, route := range routes {
		if _, found := route["delegate"]; found {
			return fmt.Errorf("spec.http[%d] is delegated to another VirtualService, whose routes faultline does not edit", i)
		}
	}
	if len(routes) > 0 && !slices.ContainsFunc(routes, forAnyCaller) {
		return errors.New("all its routes are limited to some callers (sourceLabels, sourceNamespace or gateways), " +
			"and other callers are routed elsewhere")
	}
	return nil
}

// forAnyCaller says whether a route is there for every sidecar, whatever else
// it asks of a request. Istio ignores the source of a match with gateways.
func forAnyCaller(route object) bool {
	matches := objectsAt(route, "match")
	return len(matches) == 0 || slices.ContainsFunc(matches, func(match object) bool {
		if gateways := stringsAt(match, "gateways"); len(gateways) > 0 {
			return slices.Contains(gateways, "mesh")
		}
		return len(at[object](match, "sourceLabels")) == 0 && at[string](match, "sourceNamespace") == ""
	})
}
