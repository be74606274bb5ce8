package injector

// ResolveHost returns the name that Istio makes of a host written in an object
// in namespace: lower case, and a name without a dot is that namespace's
// service. A name with a dot is taken as it is, even when DNS would complete it.
// domain is the cluster's, such as "cluster.local".
func ResolveHost(host, namespace, domain string) string { return resolveHost(host, namespace, domain) }

// HostMatches reports whether a resolved host, exact or with a leading asterisk,
// stands for the service host fqdn.
func HostMatches(host, fqdn string) bool { return hostMatches(host, fqdn) }

// CommonHost returns the narrower of two hosts, exact or with a leading
// asterisk, when the other covers it, and otherwise "".
func CommonHost(a, b string) string { return commonHost(a, b) }

// ResolveGateway returns namespace/name of a Gateway as an object in namespace
// writes it: "public", "./public", "shop/public"; or "mesh", which is none.
func ResolveGateway(written, namespace string) string { return resolveGateway(written, namespace) }

// SpeaksHTTP reports whether Istio takes a service port for HTTP by its
// appProtocol or, without one, by its name.
func SpeaksHTTP(protocol string, isAppProtocol bool) bool { return speaksHTTP(protocol, isAppProtocol) }
