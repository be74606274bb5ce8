package injector

import (
	"regexp"
	"slices"
	"strings"
)

// resolveHost returns the name that Istio makes of a host written in an object
// in namespace: lower case, and a name without a dot is that namespace's
// service. A name with a dot is taken as it is, even when DNS would complete it.
func resolveHost(host, namespace, domain string) string {
	host = strings.ToLower(host)
	if host == "*" || host == "" || strings.Contains(host, ".") {
		return host
	}
	return host + "." + namespace + ".svc." + domain
}

// hostMatches says whether a resolved host, exact or with a leading asterisk,
// stands for the service host fqdn.
func hostMatches(host, fqdn string) bool {
	suffix, wildcard := strings.CutPrefix(host, "*")
	if wildcard {
		return strings.HasSuffix(fqdn, suffix)
	}
	return host == fqdn
}

// isAlias says whether host is a name by which callers reach fqdn though Istio
// does not take it for that service: "payments.shop", "payments.shop.svc".
func isAlias(host string, svc Service) bool {
	if svc.Host != "" {
		return false // it has one name
	}
	short := svc.Name + "." + svc.Namespace
	return host == short || host == short+".svc"
}

// otherHosts returns the resolved hosts of a VirtualService that stand for
// something else than, or more than, the service.
func otherHosts(vs object, namespace string, svc Service, domain string) []string {
	var others []string
	for _, host := range stringsAt(vs, "spec", "hosts") {
		if resolved := resolveHost(host, namespace, domain); resolved != svc.host(domain) {
			others = append(others, resolved)
		}
	}
	return others
}

// shortNameIsShared says whether one of hosts also stands for a service of the
// same name in another namespace, which callers there reach by the short name.
func shortNameIsShared(hosts []string, svc Service, domain string) bool {
	cluster := ".svc." + domain
	return svc.Host == "" && slices.ContainsFunc(hosts, func(host string) bool {
		suffix, wildcard := strings.CutPrefix(host, "*")
		if !wildcard {
			return strings.HasPrefix(host, svc.Name+".") && strings.HasSuffix(host, cluster)
		}
		if strings.HasSuffix(cluster, suffix) {
			return true // "*", "*.local", "*.svc.cluster.local": every namespace
		}
		inside, ofCluster := strings.CutSuffix(suffix, cluster)
		return ofCluster && !strings.HasSuffix(inside, "."+svc.Namespace)
	})
}

// authorityPattern matches, as a whole, the names by which requests are sent to
// the service, with or without a port, in any case.
func authorityPattern(svc Service, domain string) string {
	q := regexp.QuoteMeta
	if svc.Host != "" {
		return `(?i)` + q(strings.ToLower(svc.Host)) + `(:[0-9]+)?`
	}
	return `(?i)` + q(svc.Name) + `(\.` + q(svc.Namespace) + `(\.svc(\.` + q(domain) + `)?)?)?(:[0-9]+)?`
}
