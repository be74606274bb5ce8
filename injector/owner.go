package injector

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// anywhere stands for the namespaces that no exportTo names.
const anywhere = ""

// question asks whose routes are used for requests to a service.
type question struct {
	on      Service
	ports   []int64 // of the service; none means that ports do not matter
	from    Callers
	gateway *unstructured.Unstructured // the Gateway of from; nil when sidecars are asked about
	domain  string
}

// findOwners returns the VirtualServices whose routes the callers use for
// requests to the service, and notes about callers they are not for. For
// sidecars it is one, or none. What istiod does, in order:
//
//   - a VirtualService counts when it is bound to the gateway mesh, for callers
//     in the namespaces it is exported to;
//   - one that names the host itself beats wildcards, a longer wildcard beats a
//     shorter one;
//   - one that is private to the caller's namespace beats one exported to it by
//     name, which beats a public one;
//   - the oldest wins, then the first by name, then by namespace;
//   - one that names the host, but has no route for the caller and the port,
//     leaves it to the next.
//
// Callers in different namespaces, and ports, can thus have different owners;
// then, and when it takes more than these objects to tell, the error says why.
// At a gateway all routes are merged: there the owners are all VirtualServices
// bound to it of which a route leads to the service, oldest first.
//
// Sources: pilot/pkg/model/virtualservice.go (SelectVirtualServices),
// pilot/pkg/networking/core/route/route.go (separateVSHostsAndServices) and
// gateway.go (buildGatewayHTTPRouteConfig) of Istio.
func findOwners(list []*unstructured.Unstructured, q question) ([]*unstructured.Unstructured, []string, error) {
	if q.gateway != nil {
		return gatewayOwners(list, q)
	}
	var candidates []candidate
	namespaces := []string{anywhere, q.on.Namespace}
	fqdn := q.on.host(q.domain)
	for _, vs := range list {
		c, err := newCandidate(vs, q, fqdn)
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
	if q.from.Namespace != "" {
		namespaces = []string{q.from.Namespace}
	}
	owner, notes, err := soleOwner(candidates, slices.Compact(namespaces), q)
	if owner == nil || err != nil {
		return nil, nil, err
	}
	return []*unstructured.Unstructured{owner}, notes, nil
}

// soleOwner returns the one owner that callers in all the namespaces have on
// all ports, or nil.
func soleOwner(candidates []candidate, namespaces []string, q question) (*unstructured.Unstructured, []string, error) {
	var owner *candidate
	var notes []string
	ports := q.ports
	if len(ports) == 0 {
		ports = []int64{0}
	}
	for i, port := range ports {
		found, without, err := portOwner(candidates, namespaces, port, q.from)
		switch {
		case err != nil:
			return nil, nil, err
		case i == 0:
			owner, notes = found, without
		case found.ref() != owner.ref():
			return nil, nil, fmt.Errorf("its ports have different routes: %d those of %s, %d those of %s; say which port is meant",
				ports[0], owner, port, found)
		}
	}
	if owner == nil {
		return nil, nil, nil
	}
	if owner.pattern == "*" {
		return nil, nil, fmt.Errorf("%s routes it with host \"*\", and with it everything else", refOf(owner.vs))
	}
	return owner.vs, notes, nil
}

// portOwner returns the one owner that callers in all the namespaces have on a
// port, or nil, and a note when some have none.
func portOwner(candidates []candidate, namespaces []string, port int64, from Callers) (owner *candidate, notes []string, err error) {
	var without []string
	for _, namespace := range namespaces {
		found, err := ownerFor(namespace, port, from, candidates)
		switch {
		case err != nil:
			return nil, nil, err
		case found == nil:
			without = append(without, callersIn(namespace))
		case owner == nil:
			owner = found
		case owner.vs != found.vs:
			return nil, nil, fmt.Errorf("callers have different VirtualServices for it, depending on their namespace: "+
				"%s and %s; say which callers are meant (from.namespace), or export one of them to every caller",
				refOf(owner.vs), refOf(found.vs))
		}
	}
	if owner != nil && len(without) > 0 {
		notes = append(notes, fmt.Sprintf("%s is not exported to %s: requests from there do not meet the fault",
			refOf(owner.vs), strings.Join(without, ", ")))
	}
	return owner, notes, nil
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
}

// newCandidate returns vs as a candidate for the service, or nil when it is none.
func newCandidate(vs *unstructured.Unstructured, q question, fqdn string) (*candidate, error) {
	if !forSidecars(vs.Object) {
		return nil, nil
	}
	exportTo, visible := exportedTo(vs)
	if !visible {
		return nil, nil
	}
	c := candidate{vs: vs, exportTo: exportTo}
	alias := ""
	for _, written := range stringsAt(vs.Object, "spec", "hosts") {
		host := resolveHost(written, vs.GetNamespace(), q.domain)
		if isAlias(host, q.on) {
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

// ref names the candidate; the zero Ref when it is nil.
func (c *candidate) ref() Ref {
	if c == nil {
		return Ref{}
	}
	return refOf(c.vs)
}

// String names the candidate for people.
func (c *candidate) String() string {
	if c == nil {
		return "no VirtualService"
	}
	return c.ref().String()
}

// ownerFor returns the candidate that rules callers in one namespace on a port,
// or nil.
func ownerFor(namespace string, port int64, from Callers, candidates []candidate) (*candidate, error) {
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
		return cmp.Or(cmp.Compare(a.rank(namespace), b.rank(namespace)), byAge(a.vs, b.vs))
	})
	for _, c := range visible {
		switch reach(c.vs.Object, port, from) {
		case everyone:
			return &c, nil
		case someone:
			return nil, fmt.Errorf("%s: %w", refOf(c.vs), errLimited)
		case nobody:
			if strings.HasPrefix(best, "*") {
				return nil, nil // of wildcards, only the first is asked
			}
		}
	}
	return nil, nil
}
