package observe

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The files in testdata are answers of Envoy 1.40 with three hosts of
// payments, one of which it has ejected after five errors.
func testdata(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestParseClustersOfEnvoy(t *testing.T) {
	payments := Cluster{Direction: Outbound, Port: 80, Service: "payments.shop.svc.cluster.local"}
	v1 := payments
	v1.Subset = "v1"
	want := []Host{
		{Cluster: Cluster{Direction: Inbound, Port: 8080}, Address: "127.9.1.1:19999"},
		{Cluster: v1, Address: "/var/run/app.sock"},
		{Cluster: payments, Address: "127.9.1.2:18080", Requests: 12, Success: 12, Connects: 1, Open: 1},
		{Cluster: payments, Address: "127.9.1.3:18080", Requests: 5, Errors: 5, Ejected: true, Connects: 1},
		{Cluster: payments, Address: "127.9.1.4:18080", Requests: 13, Success: 13, Connects: 1, Open: 1},
	}
	sortHosts(want)
	got, err := parseClusters(testdata(t, "clusters.json"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

func TestParseClustersIsLenient(t *testing.T) {
	cluster := Cluster{Direction: Outbound, Port: 80, Service: "a"}
	for name, test := range map[string]struct {
		hosts string
		want  Host
	}{
		"nothing known":    {`{}`, Host{Cluster: cluster}},
		"unknown fields":   {`{"new": [1], "stats": [{"name": "rq_new", "value": "7", "more": {}}]}`, Host{Cluster: cluster}},
		"number":           {`{"stats": [{"name": "rq_total", "value": 7}]}`, Host{Cluster: cluster, Requests: 7}},
		"null":             {`{"stats": [{"name": "rq_total", "value": null}]}`, Host{Cluster: cluster}},
		"zero left out":    {`{"stats": [{"name": "rq_total"}]}`, Host{Cluster: cluster}},
		"largest":          {`{"stats": [{"name": "rq_error", "value": "18446744073709551615"}]}`, Host{Cluster: cluster, Errors: 1<<64 - 1}},
		"every counter":    {`{"stats": [{"name": "rq_total", "value": "1"}, {"name": "rq_success", "value": "2"}, {"name": "rq_error", "value": "3"}, {"name": "rq_timeout", "value": "4"}, {"name": "rq_active", "value": "5", "type": "GAUGE"}, {"name": "cx_total", "value": "6"}, {"name": "cx_active", "value": "7"}, {"name": "cx_connect_fail", "value": "8"}, {"name": "rq_pending_active", "value": "9"}]}`, Host{Cluster: cluster, Requests: 1, Success: 2, Errors: 3, Timeouts: 4, Active: 5, Connects: 6, Open: 7, FailedConnects: 8, Pending: 9}},
		"IPv6":             {`{"address": {"socket_address": {"address": "::1", "port_value": 80}}}`, Host{Cluster: cluster, Address: "[::1]:80"}},
		"ambient tunnel":   {`{"address": {"envoy_internal_address": {"server_listener_name": "connect_originate", "endpoint_id": "10.0.0.1:80"}}}`, Host{Cluster: cluster, Address: "10.0.0.1:80"}},
		"not ejected":      {`{"health_status": {"failed_outlier_check": false, "failed_active_health_check": true}}`, Host{Cluster: cluster}},
		"ejected":          {`{"health_status": {"failed_outlier_check": true}}`, Host{Cluster: cluster, Ejected: true}},
		"no health status": {`{"health_status": null}`, Host{Cluster: cluster}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseClusters([]byte(`{"cluster_statuses": [{"name": "outbound|80||a", "host_statuses": [` + test.hosts + `]}]}`))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]Host{test.want}, got); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseClustersIsStrict(t *testing.T) {
	host := func(stat string) string {
		return `{"cluster_statuses": [{"name": "outbound|80||a", "host_statuses": [{"stats": [` + stat + `]}]}]}`
	}
	for name, data := range map[string]string{
		"empty":           ``,
		"null":            `null`,
		"text":            `outbound|80||a::default_priority::max_connections::1024`,
		"cut off":         string(testdata(t, "clusters.json")[:2000]),
		"more behind it":  `{"cluster_statuses": []} {}`,
		"not Envoy":       `{"status": "ok"}`,
		"list":            `[]`,
		"negative":        host(`{"name": "rq_total", "value": "-1"}`),
		"fraction":        host(`{"name": "rq_total", "value": 1.5}`),
		"not a number":    host(`{"name": "rq_total", "value": "many"}`),
		"beyond 64 bits":  host(`{"name": "rq_total", "value": "18446744073709551616"}`),
		"list as counter": host(`{"name": "rq_total", "value": []}`),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseClusters([]byte(data))
			if err == nil {
				t.Fatalf("parseClusters = %v, want an error", got)
			}
			if !strings.HasPrefix(err.Error(), "parse clusters: ") {
				t.Errorf("error %q does not say what was parsed", err)
			}
		})
	}
}

func TestParseClustersWithoutHosts(t *testing.T) {
	got, err := parseClusters([]byte(`{"cluster_statuses": [{"name": "xds-grpc", "host_statuses": [{}]}, {"name": "outbound|80||a"}]}`))
	if err != nil || len(got) != 0 {
		t.Errorf("parseClusters = %v, %v, want no hosts and no error", got, err)
	}
}

func FuzzParseClusters(f *testing.F) {
	f.Add(testdata(f, "clusters.json"))
	f.Add([]byte(`{"cluster_statuses": [{"name": "outbound|80||a", "host_statuses": [{"stats": [{"value": "1"}]}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		hosts, err := parseClusters(data)
		if err != nil && hosts != nil {
			t.Errorf("parseClusters = %v with %v", hosts, err)
		}
		for _, host := range hosts {
			if _, ok := ParseCluster(host.Cluster.String()); !ok {
				t.Errorf("host of cluster %q, which is not istiod's", host.Cluster)
			}
		}
	})
}

func TestParseStats(t *testing.T) {
	got, err := parseStats(testdata(t, "stats.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint64{
		"cluster.outbound|80||payments.shop.svc.cluster.local;.outlier_detection.ejections_consecutive_5xx": 1,
		"cluster.outbound|80||payments.shop.svc.cluster.local;.outlier_detection.ejections_overflow":        0,
		"http.out.downstream_rq_total": 30,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s = %d, %t, want %d", name, value, ok, want)
		}
	}
}

func TestParseStatsCases(t *testing.T) {
	for name, test := range map[string]struct {
		data string
		want map[string]uint64 // nil: an error
	}{
		"histograms left out": {`{"stats": [{"name": "a", "value": 2}, {"histograms": {"supported_quantiles": []}}]}`, map[string]uint64{"a": 2}},
		"none":                {`{"stats": []}`, map[string]uint64{}},
		"no stats":            {`{}`, nil},
		"empty":               {``, nil},
		"text":                {"server.live: 1\n", nil},
		"negative":            {`{"stats": [{"name": "a", "value": -2}]}`, nil},
		"words":               {`{"stats": [{"name": "a", "value": "two"}]}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseStats([]byte(test.data))
			if (err != nil) != (test.want == nil) {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
		})
	}
}
