package experiments

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	abortedLine = `[2026-11-23T05:46:54.874Z] "GET /reserve HTTP/1.1" 503 FI fault_filter_abort - "-" 0 18 0 - "-" "curl/7.88.1" ` +
		`"1a7af5d6-5135-4d1b-bb03-4eb6d5e3c49b" "inventory" "-" outbound|80||inventory.shop.svc.cluster.local - 127.20.65.7:15080 127.0.0.1:47036 - faultline-abc-0`
	inboundLine = `[2026-11-23T05:45:52.284Z] "GET /checkout HTTP/1.1" 200 - via_upstream - "-" 0 426 5 4 "-" "Go-http-client/1.1" ` +
		`"7cd9e33f-5a94-4024-86cb-faa4a59e22c5" "checkout" "127.20.1.7:18080" inbound|8080|| 127.0.0.6:47916 127.20.1.7:8080 127.0.0.1:56038 - default`
	jsonLine = `{"start_time":"2026-11-23T05:46:54.874Z","method":"GET","path":"/reserve","response_code":503,"response_flags":"FI","request_id":"1a7af5d6-5135-4d1b-bb03-4eb6d5e3c49b",` +
		`"upstream_cluster":"outbound|80||inventory.shop.svc.cluster.local","route_name":"faultline-abc-0","downstream_remote_address":"127.0.0.1:47036","bytes_sent":18}`
)

var (
	abortedHit = hit{
		at: time.Date(2026, 11, 23, 5, 46, 54, 874e6, time.UTC), flags: []string{"FI"},
		cluster: "outbound|80||inventory.shop.svc.cluster.local", route: "faultline-abc-0",
		id: "1a7af5d6-5135-4d1b-bb03-4eb6d5e3c49b", peer: "127.0.0.1:47036",
	}
	inboundHit = hit{
		at: time.Date(2026, 11, 23, 5, 45, 52, 284e6, time.UTC), flags: []string{"-"}, cluster: "inbound|8080||", route: "default",
		id: "7cd9e33f-5a94-4024-86cb-faa4a59e22c5", peer: "127.0.0.1:56038",
	}
)

func (h hit) equal(other hit) bool {
	return h.at.Equal(other.at) && slices.Equal(h.flags, other.flags) && h.cluster == other.cluster && h.route == other.route && h.id == other.id && h.peer == other.peer
}

func TestParseAccessLog(t *testing.T) {
	with := func(old, replacement string) string { return strings.Replace(abortedLine, old, replacement, 1) }
	request := func(text string) string { return with("GET /reserve HTTP/1.1", text) }
	flagged := func(flags ...string) hit {
		h := abortedHit
		h.flags = flags
		return h
	}
	tests := []struct {
		name, log string
		want      []hit
	}{
		{"an abort", abortedLine, []hit{abortedHit}},
		{"an inbound request", inboundLine, []hit{inboundHit}},
		{"several lines, the last without an end", inboundLine + "\n" + abortedLine, []hit{inboundHit, abortedHit}},
		{"lines of another system", abortedLine + "\r\n" + inboundLine + "\r\n", []hit{abortedHit, inboundHit}},
		{"several flags", with(" 503 FI ", " 503 DI,FI "), []hit{flagged("DI", "FI")}},
		{"an unknown method and protocol", request("- - HTTP/1.1"), []hit{abortedHit}},
		{"HTTP/2", request("POST /grpc.Service/Method HTTP/2"), []hit{abortedHit}},
		{"no protocol", request("GET /reserve -"), []hit{abortedHit}},
		{"a path with quotes in it", request(`GET /a"b"c HTTP/1.1`), []hit{abortedHit}},
		{"a path with escaped quotes in it", request(`GET /a\"b\" HTTP/1.1`), []hit{abortedHit}},
		{"a path with blanks in it", request("GET /a b  c HTTP/1.1"), []hit{abortedHit}},
		{"a path that looks like the end of a request", request(`GET /a" 200 - b HTTP/1.1`), []hit{abortedHit}},
		{"a browser with quotes in its name", with("curl/7.88.1", `the "good" one`), []hit{abortedHit}},
		{"a cluster with a subset", with("|80||", "|80|v1|"), []hit{{
			at: abortedHit.at, flags: []string{"FI"}, cluster: "outbound|80|v1|inventory.shop.svc.cluster.local", route: "faultline-abc-0",
			id: abortedHit.id, peer: abortedHit.peer,
		}}},
		{"JSON", jsonLine, []hit{abortedHit}},
		{"JSON with nothing known", `{"start_time":"2026-11-23T05:46:54.874Z","response_flags":"-","upstream_cluster":null,"route_name":null}`, []hit{{
			at: abortedHit.at, flags: []string{"-"},
		}}},
		{"no lines", "", nil},
		{"empty lines", "\n\n", nil},
		{"Envoy's own words", "2026-11-23T05:46:54.874Z\tinfo\tenvoy main\tstarting main dispatch loop\tthread=17", nil},
		{"JSON of the agent", `{"level":"info","time":"2026-11-23T05:46:54.874Z","msg":"Readiness succeeded"}`, nil},
		{"broken JSON", `{"start_time":"2026-11-23T05:46:54.874Z"`, nil},
		{"JSON of another form", `{"start_time": 5}`, nil},
		{"a line cut short", abortedLine[:200], nil},
		{"no time", with("2026-11-23T05:46:54.874Z", "yesterday"), nil},
		{"a request that went to no cluster of the mesh", with("outbound|80||inventory.shop.svc.cluster.local", "PassthroughCluster"), nil},
		{"noise between", "starting\n" + abortedLine + "\nstopping\n" + jsonLine + "\n{}\n", []hit{abortedHit, abortedHit}},
		{"a line that is longer than any buffer", strings.Repeat("x", 2<<20) + "\n" + abortedLine, []hit{abortedHit}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := parseAccessLog([]byte(test.log))
			if !slices.EqualFunc(got, test.want, hit.equal) {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// Whatever a proxy prints, each hit is of one line, and has a time and flags.
func FuzzParseAccessLog(f *testing.F) {
	for _, seed := range []string{abortedLine, inboundLine, jsonLine, "{}", abortedLine + "\n" + jsonLine, "[2026-11-23T05:46:54Z] \"\" 0"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		hits := parseAccessLog(log)
		if lines := strings.Count(string(log), "\n") + 1; len(hits) > lines {
			t.Errorf("%d hits in %d lines", len(hits), lines)
		}
		for _, h := range hits {
			if len(h.flags) == 0 {
				t.Errorf("a hit without flags: %+v", h)
			}
		}
		again := append(append([]byte(abortedLine+"\n"), log...), []byte("\n"+abortedLine)...)
		if n := len(parseAccessLog(again)); n != len(hits)+2 {
			t.Errorf("%d hits, and between two more lines %d", len(hits), n)
		}
	})
}
