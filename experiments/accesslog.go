package experiments

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// hit is one request in a proxy's access log.
type hit struct {
	at      time.Time
	flags   []string // response flags, such as FI (abort) and DI (delay)
	cluster string   // upstream cluster, such as "outbound|80||payments.shop.svc.cluster.local"
	route   string
	id      string // x-request-id
	peer    string // address and port from which the request came, which is to say its connection
}

// textLine takes apart Istio's default text format (pkg/config/mesh
// EnvoyTextLogFormat): [start] "method path protocol" code flags … "request id"
// "authority" "upstream host" cluster … peer server-name route. Envoy escapes nothing, so that a
// path may have quotes and blanks in it.
var textLine = regexp.MustCompile(`^\[([^\]]+)\] ".*? (?:HTTP/[0-9.]+|-)" \d+ (\S+) .*` +
	` "([^" ]*)" "[^" ]*" "[^" ]*" ((?:in|out)bound\|\S+) .* (\S+) \S+ (\S+)$`)

// parseAccessLog returns the requests in a proxy's output, in Istio's default
// text format or as JSON with Istio's default field names. Other lines are
// passed over.
func parseAccessLog(log []byte) []hit {
	var hits []hit
	for line := range bytes.Lines(log) {
		if h, ok := parseLine(bytes.TrimRight(line, "\r\n")); ok {
			hits = append(hits, h)
		}
	}
	return hits
}

func parseLine(line []byte) (hit, bool) {
	if bytes.HasPrefix(line, []byte("{")) {
		var fields struct {
			Start   string `json:"start_time"`
			Flags   string `json:"response_flags"`
			Cluster string `json:"upstream_cluster"`
			Route   string `json:"route_name"`
			ID      string `json:"request_id"`
			Peer    string `json:"downstream_remote_address"`
		}
		if json.Unmarshal(line, &fields) != nil {
			return hit{}, false
		}
		h, ok := newHit(fields.Start, fields.Flags)
		h.cluster, h.route, h.id, h.peer = fields.Cluster, fields.Route, fields.ID, fields.Peer
		return h, ok
	}
	parts := textLine.FindStringSubmatch(string(line))
	if parts == nil {
		return hit{}, false
	}
	h, ok := newHit(parts[1], parts[2])
	h.id, h.cluster, h.peer, h.route = parts[3], parts[4], parts[5], parts[6]
	return h, ok
}

func newHit(start, flags string) (hit, bool) {
	at, err := time.Parse(time.RFC3339, start)
	if err != nil {
		return hit{}, false
	}
	return hit{at: at, flags: strings.Split(flags, ",")}, true
}
