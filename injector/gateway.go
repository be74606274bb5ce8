package injector

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// resolveGateway returns namespace/name of a gateway as an object in namespace
// writes it: "public", "./public", "shop/public", "public.shop.svc…"; or mesh.
func resolveGateway(written, namespace string) string {
	if written == "mesh" {
		return written
	}
	before, after, slash := strings.Cut(written, "/")
	switch {
	case slash && before == ".":
		return namespace + "/" + after
	case slash:
		return written
	}
	name, rest, dotted := strings.Cut(written, ".")
	if !dotted {
		return namespace + "/" + name
	}
	owner, _, _ := strings.Cut(rest, ".")
	return owner + "/" + name
}

// gatewaysOf returns the gateways that the list at path in o names, resolved.
func gatewaysOf(o object, namespace string, path ...string) []string {
	written := stringsAt(o, path...)
	for i, gateway := range written {
		written[i] = resolveGateway(gateway, namespace)
	}
	return written
}

// gatewayOwners returns the VirtualServices by whose routes a gateway sends
// requests to the service. It needs at least one.
func gatewayOwners(list []*unstructured.Unstructured, q question) ([]*unstructured.Unstructured, []string, error) {
	var owners []*unstructured.Unstructured
	var notes []string
	children := delegates(list)
	for _, vs := range list {
		exportTo, visible := exportedTo(vs)
		if !visible || !slices.Contains(gatewaysOf(vs.Object, vs.GetNamespace(), "spec", "gateways"), q.from.Gateway) ||
			len(servedHosts(q.gateway, vs)) == 0 || !leadsTo(vs, q, children) {
			continue
		}
		owners = append(owners, vs)
		if len(exportTo) > 0 {
			notes = append(notes, fmt.Sprintf("%s is exported to %s only: proxies of Gateway %s elsewhere do not have its routes",
				refOf(vs), strings.Join(exportTo, ", "), q.from.Gateway))
		}
	}
	if len(owners) == 0 {
		return nil, nil, fmt.Errorf("no VirtualService that is bound to Gateway %s has a route to it", q.from.Gateway)
	}
	slices.SortFunc(owners, byAge)
	return owners, notes, nil
}

// leadsTo says whether a route of vs, or of those it delegates to, has the
// service among its destinations.
func leadsTo(vs *unstructured.Unstructured, q question, children map[Ref]*unstructured.Unstructured) bool {
	for _, route := range objectsAt(vs.Object, "spec", "http") {
		if routeRun(route) != "" {
			continue
		}
		for _, leaf := range leaves(route, vs.GetNamespace(), children) {
			for _, d := range objectsAt(leaf.route, "route") {
				if resolveHost(at[string](d, "destination", "host"), leaf.namespace, q.domain) == q.on.host(q.domain) {
					return true
				}
			}
		}
	}
	return false
}

// servedHosts returns the hosts under which a gateway has the routes of vs: what
// its servers and vs have in common.
func servedHosts(gateway, vs *unstructured.Unstructured) []string {
	var hosts []string
	for _, server := range objectsAt(gateway.Object, "spec", "servers") {
		for _, written := range stringsAt(server, "hosts") {
			namespace, host, found := strings.Cut(written, "/")
			if !found {
				namespace, host = "*", written
			}
			if namespace == "." {
				namespace = gateway.GetNamespace()
			}
			if namespace != "*" && namespace != vs.GetNamespace() {
				continue
			}
			for _, ours := range stringsAt(vs.Object, "spec", "hosts") {
				if common := commonHost(strings.ToLower(host), strings.ToLower(ours)); common != "" {
					hosts = append(hosts, common)
				}
			}
		}
	}
	return hosts
}

// commonHost returns the narrower of two hosts, exact or with an asterisk in
// front, when the other covers it, or "".
func commonHost(a, b string) string {
	switch {
	case a == b || within(a, b):
		return a
	case within(b, a):
		return b
	}
	return ""
}

// within says whether the wildcard host covers what narrow stands for.
func within(narrow, wildcard string) bool {
	suffix, wild := strings.CutPrefix(wildcard, "*")
	return wild && len(narrow) >= len(wildcard) && strings.HasSuffix(strings.TrimPrefix(narrow, "*"), suffix) ||
		wild && !strings.HasPrefix(narrow, "*") && strings.HasSuffix(narrow, suffix)
}

// rivals are other VirtualServices whose routes gateways put into one list with
// those of one: of each VirtualService in turn those with a condition, and in
// the end those that take every request. A clone of one of the latter has a
// condition, and would be put before them.
type rivals struct {
	earlier Ref // takes every request, and surely comes first: what ours takes is never used
	later   Ref // has routes for some requests, or comes first perhaps
}

// findRivals looks for them among all VirtualServices. Of gateways that were
// not read, those with a host in common count.
func findRivals(list []*unstructured.Unstructured, ours *unstructured.Unstructured, q question) rivals {
	var found rivals
	children := delegates(list)
	for _, vs := range list {
		if refOf(vs) == refOf(ours) || !sharesGateway(vs, ours, q) {
			continue
		}
		before := byAge(vs, ours) < 0
		settled := isPublic(vs) && isPublic(ours) // else it depends on where the proxies are
		all, some := takes(vs, children)
		switch {
		case !settled && (all || some), settled && !before && some:
			found.later = refOf(vs)
		case settled && before && all:
			found.earlier = refOf(vs)
		}
	}
	return found
}

// takes says whether proxies have routes for vs that take every request, and
// whether they have some that do not.
func takes(vs *unstructured.Unstructured, children map[Ref]*unstructured.Unstructured) (all, some bool) {
	for _, route := range objectsAt(vs.Object, "spec", "http") {
		if routeRun(route) != "" {
			continue
		}
		for _, leaf := range leaves(route, vs.GetNamespace(), children) {
			whole := takesAll(route) && takesAll(leaf.route)
			all, some = all || whole, some || !whole
		}
	}
	return all, some
}

func isPublic(vs *unstructured.Unstructured) bool {
	namespaces, visible := exportedTo(vs)
	return visible && len(namespaces) == 0
}

// sharesGateway says whether a gateway asked about has the routes of both under
// one host.
func sharesGateway(a, b *unstructured.Unstructured, q question) bool {
	bound := gatewaysOf(a.Object, a.GetNamespace(), "spec", "gateways")
	if q.gateway != nil {
		hosts := servedHosts(q.gateway, b)
		return slices.Contains(bound, q.from.Gateway) &&
			slices.ContainsFunc(servedHosts(q.gateway, a), func(h string) bool { return slices.Contains(hosts, h) })
	}
	theirs := gatewaysOf(b.Object, b.GetNamespace(), "spec", "gateways")
	common := slices.ContainsFunc(bound, func(g string) bool { return g != "mesh" && slices.Contains(theirs, g) })
	return common && slices.ContainsFunc(stringsAt(a.Object, "spec", "hosts"), func(host string) bool {
		host = resolveHost(host, a.GetNamespace(), q.domain)
		return slices.ContainsFunc(stringsAt(b.Object, "spec", "hosts"), func(other string) bool {
			return host == resolveHost(other, b.GetNamespace(), q.domain)
		})
	})
}

// takesAll says whether proxies take a route for one that every request matches.
func takesAll(route object) bool {
	matches := objectsAt(route, "match")
	return len(matches) == 0 || slices.ContainsFunc(matches, matchesAll)
}

// matchesAll says whether a match asks nothing of a request. What it asks of
// the caller or the port is settled when routes are made.
func matchesAll(match object) bool {
	for _, field := range []string{"headers", "withoutHeaders", "queryParams", "method", "scheme", "authority"} {
		if len(at[object](match, field)) > 0 {
			return false
		}
	}
	uri := at[object](match, "uri")
	return len(uri) == 0 || uri["prefix"] == "/" || uri["regex"] == ".*"
}
