package observe

import (
	"strconv"
	"strings"
)

// The two directions of a [Cluster], as Istio writes them.
const (
	Inbound  = "inbound"
	Outbound = "outbound"
)

// Cluster is the name of an Envoy cluster that istiod made: the hosts of one
// port of a service, or of one subset of it, as one proxy sees them. It is
// comparable. The zero Cluster names nothing.
type Cluster struct {
	Direction string // Inbound or Outbound
	Port      int    // port of the service; for inbound clusters, of the workload
	Subset    string // subset of the DestinationRule; empty: the whole service
	Service   string // full host name, payments.shop.svc.cluster.local; empty for inbound clusters
}

// ParseCluster reads a cluster name as istiod writes it,
// "outbound|80|v1|payments.shop.svc.cluster.local", with or without the ';'
// that ends it in the names of stats. It reports false for every other name:
// those of static clusters (xds-grpc, BlackHoleCluster, agent) and of the SNI
// clusters of east-west gateways.
func ParseCluster(name string) (Cluster, bool) {
	parts := strings.Split(strings.TrimSuffix(name, ";"), "|")
	if len(parts) != 4 {
		return Cluster{}, false
	}
	port, err := strconv.ParseUint(parts[1], 10, 16)
	if err != nil || strconv.FormatUint(port, 10) != parts[1] {
		return Cluster{}, false
	}
	c := Cluster{Direction: parts[0], Port: int(port), Subset: parts[2], Service: parts[3]}
	switch {
	case c.Direction != Inbound && c.Direction != Outbound,
		c.Direction == Outbound && c.Service == "",
		strings.HasSuffix(c.Service, ";"):
		return Cluster{}, false
	}
	return c, true
}

// String returns the name that [ParseCluster] reads, without a trailing ';'.
func (c Cluster) String() string {
	return c.Direction + "|" + strconv.Itoa(c.Port) + "|" + c.Subset + "|" + c.Service
}

// compare orders as the names do.
func (c Cluster) compare(with Cluster) int {
	if c == with {
		return 0
	}
	return strings.Compare(c.String(), with.String())
}

// Serves reports whether c leads to service. A Kubernetes service is named
// "payments" (of any namespace), "payments.shop", "payments.shop.svc" or in
// full; every other host only in full. Inbound clusters serve nothing: they
// lead to the workload beside the proxy.
func (c Cluster) Serves(service string) bool {
	if c.Direction != Outbound || service == "" {
		return false
	}
	if service == c.Service {
		return true
	}
	labels := strings.Split(c.Service, ".")
	inKubernetes := len(labels) > 3 && labels[2] == "svc"
	return inKubernetes && strings.HasPrefix(c.Service, service+".")
}
