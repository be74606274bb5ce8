package observe

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scanned is what the quick way alone makes of an answer.
func scanned(data []byte) ([]Host, error) {
	s := newScanner()
	err := s.answer(data)
	hosts := append([]Host{}, s.hosts...)
	sortHosts(hosts)
	return hosts, err
}

// manyHosts is an answer in Envoy's form with so many clusters of three hosts.
func manyHosts(clusters int) []byte {
	var text strings.Builder
	text.WriteString("{\n \"cluster_statuses\": [\n")
	for c := range clusters {
		if c > 0 {
			text.WriteString(",\n")
		}
		name := "outbound|80||service-" + strings.Repeat("x", c%7) + string(rune('a'+c%26)) + string(rune('a'+c/26)) + ".shop.svc.cluster.local"
		text.WriteString(clusterText(name, c))
	}
	text.WriteString("\n ]\n}\n")
	return []byte(text.String())
}

func clusterText(name string, n int) string {
	host := func(h int) string {
		data, err := json.MarshalIndent(map[string]any{
			"address": map[string]any{"socket_address": map[string]any{"address": "10.0." + string(rune('0'+n%10)) + "." + string(rune('1'+h)), "port_value": 8080}},
			"stats": []map[string]any{
				{"name": "cx_connect_fail"},
				{"value": "1", "name": "cx_total"},
				{"name": "rq_error"},
				{"value": "1234", "name": "rq_success"},
				{"name": "rq_timeout"},
				{"value": "1234", "name": "rq_total"},
				{"type": "GAUGE", "value": "1", "name": "cx_active"},
				{"type": "GAUGE", "name": "rq_active"},
				{"type": "GAUGE", "name": "rq_pending_active"},
			},
			"health_status": map[string]any{"eds_health_status": "HEALTHY"}, "weight": 1, "locality": map[string]any{},
		}, "    ", " ")
		if err != nil {
			panic(err)
		}
		return string(data)
	}
	return `  {"name": "` + name + `", "added_via_api": true, "host_statuses": [` + host(0) + "," + host(1) + "," + host(2) + `],
   "circuit_breakers": {"thresholds": [{"max_connections": 4294967295, "max_pending_requests": 4294967295, "max_requests": 4294967295, "max_retries": 4294967295},
    {"priority": "HIGH", "max_connections": 1024, "max_pending_requests": 1024, "max_requests": 1024, "max_retries": 3}]},
   "observability_name": "` + name + `", "eds_service_name": "` + name + `"}`
}

// withoutPipe is what Envoy wrote, less the cluster whose host is a unix socket:
// that is for the slow way.
func withoutPipe(tb testing.TB) []byte {
	tb.Helper()
	text := string(testdata(tb, "clusters.json"))
	before, rest, found := strings.Cut(text, "{\n      \"name\": \"outbound|80|v1|payments")
	_, after, there := strings.Cut(rest, "{\n      \"name\": \"BlackHoleCluster\"")
	if !found || !there {
		tb.Fatal("testdata/clusters.json is another")
	}
	return []byte(before + "{\n      \"name\": \"BlackHoleCluster\"" + after)
}

func TestScanIsParseClusters(t *testing.T) {
	for name, data := range map[string][]byte{
		"envoy":          withoutPipe(t),
		"many":           manyHosts(100),
		"none":           []byte(`{"cluster_statuses": []}`),
		"nulls":          []byte(`{"cluster_statuses": [{"name": "outbound|80||a", "host_statuses": [{"address": null, "stats": null, "health_status": null}]}]}`),
		"unknown fields": []byte(`{"new": {"a": [1, "}"]}, "cluster_statuses": [{"name": "outbound|80||a", "new": {}, "host_statuses": [{"new": [1], "stats": [{"name": "rq_total", "value": 7, "more": {}}, {"value": null, "name": "rq_error"}]}]}]}`),
		"escapes":        []byte(`{"cluster_statuses": [{"name": "outbound|80||\u0061", "host_statuses": [{"address": {"socket_address": {"address": "\u003a:1", "port_value": 80}}}]}]}`),
		"ejected":        []byte(`{"cluster_statuses": [{"name": "outbound|80||a", "host_statuses": [{"health_status": {"failed_outlier_check": true}}]}]}`),
	} {
		t.Run(name, func(t *testing.T) {
			want, err := parseClusters(data)
			if err != nil {
				t.Fatal(err)
			}
			got, err := scanned(data)
			if err != nil {
				t.Fatal("the quick way does not take it:", err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("hosts (-parsed +scanned):\n%s", diff)
			}
		})
	}
}

// Of an answer only what changed is taken apart; what comes of it is the same.
func TestScanOfWhatChanged(t *testing.T) {
	s := newScanner()
	first := string(manyHosts(3))
	for _, data := range []string{
		first,
		strings.Replace(first, `"1234"`, `"1235"`, 1), // a counter went up
		strings.Replace(first, "HEALTHY", `}]\"{`, 1), // braces and quotes in a text
		string(manyHosts(2)),                          // a cluster went
		string(manyHosts(4)),                          // two came
		strings.Replace(string(manyHosts(4)), `"cx_connect_fail"`, `"rq_timeout"`, 3), // and others count
		`{"cluster_statuses": []}`,
		first,
	} {
		want, err := parseClusters([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		hosts, _, err := s.scan([]byte(data))
		got := append([]Host{}, hosts...)
		sortHosts(got)
		if err != nil || !s.changed([]byte(data)) {
			t.Errorf("is not read quickly: %v\n%s", err, data)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("hosts (-parsed +scanned):\n%s", diff)
		}
	}
}

func TestAnswersThatAreNotCut(t *testing.T) {
	for _, data := range []string{
		"", "{", `{"cluster_statuses"`, `{"cluster_statuses": [`, `{"cluster_statuses": [{`, `{"cluster_statuses": [{"name": "a`,
		`{"cluster_statuses": [{}`, `{"cluster_statuses": [{},`, `{"cluster_statuses": [{},]}`, `{"cluster_statuses": [{} {}]}`,
		`{"cluster_statuses": [{}]`, `{"cluster_statuses": [{}]} 1`, `{"cluster_statuses": [{}], "new": 1}`, `{"new": 1, "cluster_statuses": []}`,
		`{"cluster_statuses": [null]}`, `{"cluster_statuses": [{"name": 1}]}`, `{"cluster_statuses": [{"name": "\"}]}`,
	} {
		if newScanner().changed([]byte(data)) {
			t.Errorf("%s is cut", data)
		}
	}
}

// What the quick way does not take, the slow one must get to see.
func TestScanFallsBack(t *testing.T) {
	s := newScanner()
	hosts, same, err := s.scan(testdata(t, "clusters.json")) // has a unix socket
	if err != nil || same || len(hosts) != 5 {
		t.Errorf("scan = %d hosts, %t, %v", len(hosts), same, err)
	}
	if hosts, same, err = s.scan(testdata(t, "clusters.json")); err != nil || !same || len(hosts) != 5 {
		t.Errorf("the same again: %d hosts, %t, %v", len(hosts), same, err)
	}
	if _, same, err = s.scan([]byte(`{"cluster_statuses": [{"name": "outbound|80||a", "host_statuses": [{"stats": [{"name": "rq_total", "value": "-1"}]}]}]}`)); err == nil || same {
		t.Errorf("a negative counter: %t, %v", same, err)
	}
	if hosts, same, err = s.scan(testdata(t, "clusters.json")); err != nil || same || len(hosts) != 5 {
		t.Errorf("after an error: %d hosts, %t, %v; what was before does not count", len(hosts), same, err)
	}
	for _, late := range []string{
		`{"cluster_statuses": [{"host_statuses": [{}], "name": "outbound|80||a"}]}`,
	} {
		hosts, _, err := s.scan([]byte(late))
		if err != nil || len(hosts) != 1 || hosts[0].Cluster.Service != "a" {
			t.Errorf("%s: %v, %v", late, hosts, err)
		}
	}
}

func TestScanForgetsHostsThatWent(t *testing.T) {
	s := newScanner()
	for n := range 1000 {
		data := strings.Replace(string(manyHosts(1)), `"10.0.0.1"`, fmt.Sprintf(`"10.1.%d.%d"`, n/100, n%100), 1)
		if _, _, err := s.scan([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.addresses) > 100 {
		t.Errorf("%d addresses of 3 hosts are kept", len(s.addresses))
	}
}

// Whatever the quick way takes must be what the slow one makes of it.
func FuzzScan(f *testing.F) {
	f.Add(testdata(f, "clusters.json"))
	f.Add(withoutPipe(f))
	f.Add(manyHosts(2))
	f.Add([]byte(`{"cluster_statuses": [{"name": null, "host_statuses": null}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return // Envoy's answers are whole, or the reading fails before
		}
		got, err := scanned(data)
		if err != nil {
			return
		}
		want, err := parseClusters(data)
		if err != nil {
			return // the quick way passes over what it does not need
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("hosts (-parsed +scanned):\n%s", diff)
		}
	})
}

func BenchmarkParseClusters(b *testing.B) {
	for _, clusters := range []int{10, 100} {
		data := manyHosts(clusters)
		b.Run("json", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := parseClusters(data); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("scan", func(b *testing.B) {
			s := newScanner()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				s.known, s.entries = false, nil
				if _, _, err := s.scan(data); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("one changed", func(b *testing.B) {
			s := newScanner()
			other := []byte(strings.Replace(string(data), `"1234"`, `"1235"`, 1))
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				data, other = other, data
				if _, _, err := s.scan(data); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("same", func(b *testing.B) {
			s := newScanner()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, _, err := s.scan(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
