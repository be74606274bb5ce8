// Where in a proxy's configuration a service is: what to ask a big mesh's proxies
// for, instead of all that they have.

package experiments

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// places remembers the names of the route tables, or listeners, in which a fault
// shows, proxy by proxy, and which proxies know a service. Names that were not
// learned yet are asked for in whole dumps. The zero value knows nothing. Safe for
// concurrent use.
type places struct {
	mu    sync.Mutex
	names map[string][]string
	known map[string]bool
}

func (s sight) place() string { return identity(s.proxy) + " " + s.query + " " + s.service }

// query is what to ask the proxy's config_dump for.
func (p *places) query(s sight) string {
	if strings.HasSuffix(s.query, "_clusters") { // of which the very name is known
		return s.query + "&name_regex=" + url.QueryEscape(regexp.QuoteMeta(s.edit.Marker))
	}
	p.mu.Lock()
	names := p.names[s.place()]
	p.mu.Unlock()
	if len(names) == 0 {
		return s.query
	}
	var patterns []string
	for _, name := range names {
		patterns = append(patterns, regexp.QuoteMeta(name))
	}
	return s.query + "&name_regex=" + url.QueryEscape(strings.Join(patterns, "|"))
}

// stampQuery asks only when that changed which a query asks for.
func stampQuery(query string) string {
	if strings.HasPrefix(query, "resource=dynamic_listeners") {
		return query + "&mask=active_state.last_updated,warming_state.last_updated,draining_state.last_updated"
	}
	return query + "&mask=last_updated"
}

// stampOf returns when each thing in a config_dump changed last, in one text; empty
// when it does not say.
func stampOf(dump []byte) string {
	var stamps []string
	for {
		_, rest, found := bytes.Cut(dump, []byte(`"last_updated":`))
		if !found {
			return strings.Join(stamps, " ")
		}
		_, rest, _ = bytes.Cut(rest, []byte(`"`))
		stamp, after, _ := bytes.Cut(rest, []byte(`"`))
		stamps, dump = append(stamps, string(stamp)), after
	}
}

// learn takes in what a query found. When nothing that is asked for by name is
// there any more, the names are forgotten, so that the next dump is a whole one.
func (p *places) learn(s sight, query string, dump []byte) {
	if strings.HasSuffix(s.query, "_clusters") || query != s.query && len(dump) > emptyDump {
		return
	}
	configs, err := parseDump(dump)
	if err != nil {
		return
	}
	var names []string
	for _, c := range configs {
		if name := c.concerns(s); name != "" {
			names = append(names, name)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.names == nil {
		p.names = map[string][]string{}
	}
	p.names[s.place()] = names
}

// emptyDump is what a config_dump that has nothing is not longer than.
const emptyDump = 64

// know remembers that a proxy has clusters of a service.
func (p *places) know(s sight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string]bool{}
	}
	p.known[identity(s.proxy)+" "+s.service] = true
}

func (p *places) knows(s sight) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[identity(s.proxy)+" "+s.service]
}

// concerns returns the name of a route table that has routes for a service, or of
// a listener that takes what comes to the pod; empty for any other.
func (c dumped) concerns(s sight) string {
	if len(c.RouteConfig) > 0 {
		table, err := parseTable(c.RouteConfig)
		if err != nil || !slices.ContainsFunc(table.Hosts, func(h virtualHost) bool { return h.serves(s.service) }) {
			return ""
		}
		return table.Name
	}
	var state struct {
		Listener struct {
			Direction string `json:"traffic_direction"`
		} `json:"listener"`
	}
	if json.Unmarshal(c.ActiveState, &state) != nil || state.Listener.Direction != "INBOUND" {
		return ""
	}
	return c.Name
}

// routeTable is a route table as a config_dump shows it.
type routeTable struct {
	Name  string
	Hosts []virtualHost
}

type virtualHost struct {
	Name   string
	Routes []string // their names
	raw    []byte
}

func parseTable(config []byte) (routeTable, error) {
	var content struct {
		Name  string            `json:"name"`
		Hosts []json.RawMessage `json:"virtual_hosts"`
	}
	if err := json.Unmarshal(config, &content); err != nil {
		return routeTable{}, err
	}
	all := routeTable{Name: content.Name}
	for _, raw := range content.Hosts {
		var host struct {
			Name   string `json:"name"`
			Routes []struct {
				Name string `json:"name"`
			} `json:"routes"`
		}
		if err := json.Unmarshal(raw, &host); err != nil {
			return routeTable{}, err
		}
		one := virtualHost{Name: host.Name, raw: raw}
		for _, route := range host.Routes {
			one.Routes = append(one.Routes, route.Name)
		}
		all.Hosts = append(all.Hosts, one)
	}
	return all, nil
}

// serves says whether a virtual host is the service's, or leads to it.
func (h virtualHost) serves(service string) bool {
	for _, lead := range []string{`"`, `|`} { // a domain or the host's name, and a cluster
		for _, end := range []string{`"`, `:`, `.svc.`} {
			if bytes.Contains(h.raw, []byte(lead+service+end)) {
				return true
			}
		}
	}
	return false
}
