package observe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// The admin paths that a snapshot reads.
const (
	clustersPath = "/clusters?format=json"
	istiosPath   = clustersPath + "&filter=%5E%28in%7Cout%29bound" // ^(in|out)bound; an older Envoy answers with all
	statsPath    = "/stats?format=json&type=Counters"
)

// clustersAnswer is the part of /clusters?format=json that is read here.
// Envoy writes 64 bit numbers as strings and leaves zero values out.
type clustersAnswer struct {
	Clusters *[]struct {
		Name  string       `json:"name"`
		Hosts []hostAnswer `json:"host_statuses"`
	} `json:"cluster_statuses"`
}

type hostAnswer struct {
	Address addressAnswer `json:"address"`
	Stats   []struct {
		Name  string `json:"name"`
		Value count  `json:"value"`
	} `json:"stats"`
	Health struct {
		Ejected bool `json:"failed_outlier_check"`
	} `json:"health_status"`
}

type addressAnswer struct {
	Socket *struct {
		Address string `json:"address"`
		Port    uint16 `json:"port_value"`
	} `json:"socket_address"`
	Internal struct { // a tunnel to the host, as proxies in ambient meshes have
		Endpoint string `json:"endpoint_id"`
	} `json:"envoy_internal_address"`
	Pipe struct {
		Path string `json:"path"`
	} `json:"pipe"`
}

// count is a 64 bit number, written as a JSON string or number.
type count uint64

// UnmarshalJSON reads "12", 12 and null, which is zero.
func (c *count) UnmarshalJSON(data []byte) error {
	text := string(data)
	if text == "null" {
		return nil
	}
	if text[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return fmt.Errorf("counter: %w", err)
	}
	*c = count(value)
	return nil
}

// parseClusters reads the answer to /clusters?format=json. Clusters that are
// not istiod's are left out; what a host does not say is zero. Every proxy of
// a mesh has clusters, so an answer without any is an error.
func parseClusters(data []byte) ([]Host, error) {
	var answer clustersAnswer
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("parse clusters: %w", err)
	}
	if answer.Clusters == nil {
		return nil, errors.New("parse clusters: cluster_statuses is missing")
	}
	hosts := []Host{}
	for _, status := range *answer.Clusters {
		cluster, ok := ParseCluster(status.Name)
		if !ok {
			continue
		}
		for _, host := range status.Hosts {
			hosts = append(hosts, host.in(cluster))
		}
	}
	sortHosts(hosts)
	return hosts, nil
}

// in returns the host as a member of cluster.
func (h hostAnswer) in(cluster Cluster) Host {
	host := Host{Cluster: cluster, Address: h.Address.String(), Ejected: h.Health.Ejected}
	for _, stat := range h.Stats {
		if into := host.stat(stat.Name); into != nil {
			*into = uint64(stat.Value)
		}
	}
	return host
}

// stat returns where Envoy's counter or gauge of that name belongs in h; nil for
// what h does not have.
func (h *Host) stat(name string) *uint64 {
	switch name {
	case "rq_total":
		return &h.Requests
	case "rq_success":
		return &h.Success
	case "rq_error":
		return &h.Errors
	case "rq_timeout":
		return &h.Timeouts
	case "rq_active":
		return &h.Active
	case "rq_pending_active":
		return &h.Pending
	case "cx_total":
		return &h.Connects
	case "cx_active":
		return &h.Open
	case "cx_connect_fail":
		return &h.FailedConnects
	default:
		return nil
	}
}

// String returns ip:port, or the path of a unix socket.
func (a addressAnswer) String() string {
	switch {
	case a.Socket != nil:
		return net.JoinHostPort(a.Socket.Address, strconv.Itoa(int(a.Socket.Port)))
	case a.Internal.Endpoint != "":
		return a.Internal.Endpoint
	default:
		return a.Pipe.Path
	}
}

// parseStats reads the counters of /stats?format=json. Entries without a name
// or a value (histograms) are left out.
func parseStats(data []byte) (map[string]uint64, error) {
	var answer struct {
		Stats *[]struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("parse stats: %w", err)
	}
	if answer.Stats == nil {
		return nil, errors.New("parse stats: stats is missing")
	}
	stats := make(map[string]uint64, len(*answer.Stats))
	for _, stat := range *answer.Stats {
		if stat.Name == "" || stat.Value == nil {
			continue
		}
		var value count
		if err := value.UnmarshalJSON(stat.Value); err != nil {
			return nil, fmt.Errorf("parse stats: %s: %w", stat.Name, err)
		}
		stats[stat.Name] = uint64(value)
	}
	return stats, nil
}
