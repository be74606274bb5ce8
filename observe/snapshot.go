package observe

import (
	"net"
	"time"
)

// Proxy is an Envoy of the mesh: a running Pod with a container istio-proxy,
// among its containers or, as a native sidecar, its initContainers.
type Proxy struct {
	Namespace string
	Pod       string
	IP        string            // address of the Pod; empty until it has one
	Labels    map[string]string // labels of the Pod; not to be changed
	Gateway   bool              // the Pod has no other container: a gateway or waypoint
	UID       string            // of the Pod: one that takes its name has another
	Restarts  int               // of the proxy's container, as the kubelet has counted
	Ready     bool              // the proxy's container is ready, as far as the kubelet knows yet
}

// String returns "Pod namespace/name", the way errors name a proxy.
func (p Proxy) String() string { return "Pod " + p.key() }

// key tells proxies apart. A Pod that is replaced by one of the same name, as
// in a StatefulSet, keeps its key.
func (p Proxy) key() string { return p.Namespace + "/" + p.Pod }

// Snapshot is what some proxies counted up to a time. The zero Snapshot was
// taken of no proxy.
type Snapshot struct {
	At      time.Time // when the last proxy had answered
	Proxies []ProxyState
}

// ProxyState is what one proxy counted, in all or, in a [Change], between two
// times.
type ProxyState struct {
	Proxy Proxy
	Hosts []Host            // hosts of the clusters that ParseCluster knows, by cluster and address
	Stats map[string]uint64 // counters of /stats by name; only what the proxy exports
}

// Host is one endpoint of a cluster as one proxy sees it. Its counters are
// those of /clusters, which every Envoy keeps whatever stats it exports.
// A request that was retried counts once for each try. A request on its way may
// be in Requests and not yet in Success or Errors. A try for which no connection
// could be made is in Errors and not in Requests: it never left.
type Host struct {
	Cluster  Cluster
	Address  string // ip:port
	Ejected  bool   // taken out by outlier detection
	Requests uint64 // rq_total
	Success  uint64 // rq_success: answers other than 5xx
	Errors   uint64 // rq_error: 5xx answers, resets, timeouts, failed connects
	Timeouts uint64 // rq_timeout
	Active   uint64 // rq_active: requests on their way at the time; never a difference
	Pending  uint64 // rq_pending_active: requests that wait for a connection at the time; never a difference
	Connects uint64 // cx_total: connections opened
	Open     uint64 // cx_active: connections open at the time; never a difference

	FailedConnects uint64 // cx_connect_fail: connections that could not be made
}

// IP returns the host part of Address; empty for a unix socket.
func (h Host) IP() string {
	ip, _, err := net.SplitHostPort(h.Address)
	if err != nil {
		return ""
	}
	return ip
}
