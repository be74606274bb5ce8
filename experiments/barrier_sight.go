// What has to be seen in which proxy.

package experiments

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// sight is one thing that one proxy must show, or show no longer.
type sight struct {
	proxy   observe.Proxy
	query   string
	edit    injector.Edit
	service string // only if the proxy knows this service; empty: in any case
}

// sights lists what may have to be seen where: in the proxies in which the edits
// make their faults. A Caller fault counts only where the service is known.
func sights(edits []injector.Edit, faults []injector.Fault, proxies []observe.Proxy) []sight {
	var all []sight
	for _, edit := range edits {
		on := faults[edit.Fault].On
		query := "resource=" + edit.Resource() // of the proxy's config_dump
		for _, p := range proxies {
			s := sight{proxy: p, query: query, edit: edit}
			if len(edit.Pods) == 0 {
				s.service = serviceName(on)
			}
			if edit.MadeIn(p.Namespace, p.Pod, p.Labels, p.Gateway) {
				all = append(all, s)
			}
		}
	}
	return all
}

// serviceName is how the clusters of proxies name what a fault is on.
func serviceName(on injector.Service) string {
	if on.Host != "" {
		return strings.ToLower(on.Host)
	}
	return on.Name + "." + on.Namespace
}

// clustersQuery asks a config_dump for the names of a service's clusters.
func clustersQuery(service string) string {
	return "resource=dynamic_active_clusters&mask=cluster.name&name_regex=" +
		url.QueryEscape(`outbound\|\d+\|[^|]*\|`+regexp.QuoteMeta(service)+`(\.svc\..*)?`)
}

// inForce reports whether a config_dump shows something in force: in a route
// table, in a cluster, or in a listener that takes connections. A listener that
// only drains keeps the old filters for connections that are closing.
func inForce(dump []byte, shows func(config []byte) bool) (bool, error) {
	if !shows(dump) { // a part of it cannot either; but it must be a config_dump
		var content struct {
			Configs []json.RawMessage `json:"configs"`
		}
		if err := json.Unmarshal(dump, &content); err != nil {
			return false, fmt.Errorf("config_dump: %w", err)
		}
		return false, nil
	}
	configs, err := parseDump(dump)
	if err != nil {
		return false, err
	}
	for _, c := range configs {
		if shows(c.RouteConfig) || shows(c.ActiveState) || shows(c.Cluster) {
			return true, nil
		}
	}
	return false, nil
}

// dumped is one entry of a config_dump, of whatever resource.
type dumped struct {
	Name        string          `json:"name"` // of a listener
	RouteConfig json.RawMessage `json:"route_config"`
	ActiveState json.RawMessage `json:"active_state"`
	Warming     json.RawMessage `json:"warming_state"`
	Draining    json.RawMessage `json:"draining_state"`
	Cluster     json.RawMessage `json:"cluster"`
}

func parseDump(dump []byte) ([]dumped, error) {
	var content struct {
		Configs []dumped `json:"configs"`
	}
	if err := json.Unmarshal(dump, &content); err != nil {
		return nil, fmt.Errorf("config_dump: %w", err)
	}
	return content.Configs, nil
}
