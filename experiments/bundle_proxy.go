// What a troubleshooting bundle has of one proxy.

package experiments

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/internal/bundle"
)

// Lines of a log that are kept.
const (
	accessLines = 20
	markedLines = 20
	otherLines  = 10
)

// showProxy asks one proxy for all of it.
func (t *trial) showProxy(ctx context.Context, a affected, missing func(string, error)) bundle.Proxy {
	shown := bundle.Proxy{Name: a.String(), Roles: a.roles}
	for _, part := range []struct {
		what string
		read func(context.Context, affected, *bundle.Proxy) error
	}{
		{"version", t.showVersion},
		{"certificates", t.showCertificates},
		{"clusters", t.showClusters},
		{"routes", t.showRoutes},
		{"log", t.showLog},
	} {
		if err := part.read(ctx, a, &shown); err != nil {
			missing(fmt.Sprintf("the %s of %s", part.what, a), err)
		}
	}
	return shown
}

func (t *trial) showVersion(ctx context.Context, a affected, into *bundle.Proxy) error {
	data, err := t.mesh.Get(ctx, a.Proxy, "/server_info")
	if err != nil {
		return err
	}
	var info struct {
		Version string `json:"version"`
		Uptime  string `json:"uptime_current_epoch"`
	}
	err = json.Unmarshal(data, &info)
	into.Envoy, into.Uptime = envoyVersion(info.Version), info.Uptime
	return err
}

// envoyVersion takes the number out of "commit/1.40.0/Clean/RELEASE/BoringSSL".
func envoyVersion(text string) string {
	if parts := strings.Split(text, "/"); len(parts) > 1 {
		return parts[1]
	}
	return text
}

func (t *trial) showCertificates(ctx context.Context, a affected, into *bundle.Proxy) error {
	data, err := t.mesh.Get(ctx, a.Proxy, "/certs")
	if err != nil {
		return err
	}
	into.Certificates, err = parseCertificates(data)
	return err
}

// parseCertificates reads the answer to /certs; each certificate once.
func parseCertificates(data []byte) ([]bundle.Certificate, error) {
	type certificate struct {
		Serial string    `json:"serial_number"`
		From   time.Time `json:"valid_from"`
		Until  time.Time `json:"expiration_time"`
		Names  []struct {
			URI string `json:"uri"`
			DNS string `json:"dns"`
		} `json:"subject_alt_names"`
	}
	var answer struct {
		Certificates []struct {
			CA    []certificate `json:"ca_cert"`
			Chain []certificate `json:"cert_chain"`
		} `json:"certificates"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, err
	}
	var all []bundle.Certificate
	add := func(of string, c certificate) {
		one := bundle.Certificate{Of: of, Serial: c.Serial, From: c.From, Expires: c.Until}
		for _, name := range c.Names {
			one.Names = append(one.Names, cmp.Or(name.URI, name.DNS))
		}
		if !slices.ContainsFunc(all, func(known bundle.Certificate) bool { return known.Of == of && known.Serial == one.Serial }) {
			all = append(all, one)
		}
	}
	for _, entry := range answer.Certificates {
		for _, c := range entry.Chain {
			add("chain", c)
		}
		for _, c := range entry.CA {
			add("ca", c)
		}
	}
	return all, nil
}

func (t *trial) showClusters(ctx context.Context, a affected, into *bundle.Proxy) error {
	var hosts []string
	for _, host := range t.hosts() {
		hosts = append(hosts, regexp.QuoteMeta(host))
	}
	if len(hosts) == 0 {
		return nil
	}
	query := "resource=dynamic_active_clusters&name_regex=" +
		url.QueryEscape(`outbound\|\d+\|[^|]*\|(`+strings.Join(hosts, "|")+`)(\..*)?`)
	dump, err := t.mesh.ConfigDump(ctx, a.Proxy, query)
	if err != nil {
		return err
	}
	configs, err := parseDump(dump)
	for _, c := range configs {
		into.ClusterConfig = append(into.ClusterConfig, bundle.JSON(c.Cluster))
		into.Transport = append(into.Transport, transportOf(c.Cluster))
	}
	return err
}

// transportOf says how a cluster's hosts are reached, such as
// "outbound|80||payments.shop.svc.cluster.local: plain text".
func transportOf(cluster []byte) string {
	var content struct {
		Name    string `json:"name"`
		Socket  any    `json:"transport_socket"`
		Matches []struct {
			Name string `json:"name"`
		} `json:"transport_socket_matches"`
	}
	mode := "plain text"
	switch err := json.Unmarshal(cluster, &content); {
	case err != nil:
		return "a cluster that cannot be read"
	case slices.ContainsFunc(content.Matches, func(m struct {
		Name string `json:"name"`
	},
	) bool {
		return m.Name == "tlsMode-istio"
	}):
		mode = "mTLS with hosts that have it"
	case strings.Contains(string(cluster), "istio-peer-exchange"):
		mode = "mTLS"
	case content.Socket != nil:
		mode = "TLS"
	}
	return content.Name + ": " + mode
}

func (t *trial) showRoutes(ctx context.Context, a affected, into *bundle.Proxy) error {
	dump, err := t.mesh.ConfigDump(ctx, a.Proxy, "resource=dynamic_route_configs")
	if err != nil {
		return err
	}
	configs, err := parseDump(dump)
	if err != nil {
		return err
	}
	for _, c := range configs {
		table, err := parseTable(c.RouteConfig)
		if err != nil {
			continue // of another kind
		}
		for _, host := range table.Hosts {
			if !slices.ContainsFunc(t.hosts(), host.serves) {
				continue
			}
			into.RouteConfig = append(into.RouteConfig, bundle.JSON(host.raw))
			for _, route := range host.Routes {
				into.Routes = append(into.Routes, fmt.Sprintf("%s: %s: %s", table.Name, host.Name, cmp.Or(route, "(no name)")))
			}
		}
	}
	return nil
}

// showLog takes the end of the proxy's log since the run began, and counts what
// it tells of the run's requests.
func (t *trial) showLog(ctx context.Context, a affected, into *bundle.Proxy) error {
	log, err := t.mesh.Logs(ctx, a.Proxy, t.report.Baseline.From)
	if err != nil {
		return err
	}
	var traces []trace
	for i := range t.experiment.Faults {
		traces = append(traces, t.traces(i)...)
	}
	readLog(log, traces, into)
	return nil
}

// readLog divides a log into requests and other lines.
func readLog(log []byte, traces []trace, into *bundle.Proxy) {
	into.Flags = map[string]int{}
	traces = fresh(traces)
	for _, h := range parseAccessLog(log) {
		into.Requests++
		for n := range traces {
			traces[n].count(h)
		}
		for _, flag := range h.flags {
			if flag != "-" && flag != "" {
				into.Flags[flag]++
			}
		}
	}
	for _, tr := range traces {
		into.Met += tr.came
		for _, n := range tr.hit {
			into.Faulted += n
		}
	}
	into.AccessLog, into.Marked, into.Log = divide(log)
}

// divide returns the last lines of a log: requests, those of them that have a
// response flag, and what is no request. Of lines that say the same the last is
// kept, whatever their time and thread.
func divide(log []byte) (requests, marked, others []string) {
	for line := range strings.Lines(string(log)) {
		line = strings.TrimRight(line, "\r\n")
		h, isRequest := parseLine([]byte(line))
		switch {
		case isRequest && !slices.Equal(h.flags, []string{"-"}):
			requests, marked = append(requests, line), append(marked, line)
		case isRequest:
			requests = append(requests, line)
		case line != "":
			others = slices.DeleteFunc(others, func(known string) bool { return said(known) == said(line) })
			others = append(others, line)
		}
	}
	return lastLines(requests, accessLines), lastLines(marked, markedLines), lastLines(others, otherLines)
}

// said is a line of Envoy's own log without its time and thread:
// "[2026-11-25 19:45:20.494][24892][warning][misc] [source/…] …".
func said(line string) string {
	if parts := strings.SplitN(line, "]", 3); len(parts) == 3 && strings.HasPrefix(line, "[") {
		return parts[2]
	}
	return line
}

// lastLines returns the end of a log without secrets.
func lastLines(all []string, most int) []string {
	all = slices.Clone(all[max(0, len(all)-most):])
	for i := range all {
		all[i] = bundle.Text(all[i])
	}
	return all
}
