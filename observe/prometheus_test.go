package observe

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	inventoryHost = "inventory.shop.svc.cluster.local"
	paymentsHost  = "payments.shop.svc.cluster.local"
)

// counted is what testdata/prometheus.txt says, in the form of Istio's own proxy.
var counted = Requests{
	{ReportedBySource, inventoryHost, 503, "FI"}:                        150,
	{ReportedBySource, inventoryHost, 200, "-"}:                         4030, // of two workloads
	{ReportedBySource, paymentsHost, 504, "DI,UT"}:                      7,
	{ReportedByDestination, "checkout.shop.svc.cluster.local", 0, "DC"}: 3,
}

func TestParseRequests(t *testing.T) {
	tests := []struct {
		name, text string
		want       Requests
	}{
		{"Istio's own proxy", string(testdata(t, "prometheus.txt")), counted},
		{"stock Envoy", "# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n", Requests{}},
		{"nothing", "", Requests{}},
		{"labels that are missing", `istio_requests_total{reporter="source"} 2` + "\n", Requests{{Reporter: "source"}: 2}},
		{"a code that is no number", `istio_requests_total{response_code="unknown",response_flags="-"} 2` + "\n", Requests{{Flags: "-"}: 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseRequests([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseRequestsRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"a page of something else": "<html>\n",
		"a line cut short":         `istio_requests_total{reporter="sou`,
		"a value that is none":     "istio_requests_total{} NaN\n",
		"a negative count":         "istio_requests_total{} -1\n",
	} {
		if got, err := parseRequests([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), "parse prometheus stats: ") {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestRequestsSince(t *testing.T) {
	before := Requests{
		{ReportedBySource, inventoryHost, 503, "FI"}:   100,
		{ReportedBySource, inventoryHost, 200, "-"}:    4030,
		{ReportedBySource, paymentsHost, 504, "DI,UT"}: 9, // its proxy was restarted since
	}
	want := Requests{
		{ReportedBySource, inventoryHost, 503, "FI"}:                        50,
		{ReportedBySource, paymentsHost, 504, "DI,UT"}:                      7,
		{ReportedByDestination, "checkout.shop.svc.cluster.local", 0, "DC"}: 3,
	}
	got := counted.Since(before)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(counted.Since(counted)) != 0 || len(Requests(nil).Since(before)) != 0 {
		t.Error("something was counted though nothing changed")
	}
	all := func(RequestSeries) bool { return true }
	if n := got.Sum(func(s RequestSeries) bool { return s.Has("FI", "DI") }); n != 57 {
		t.Errorf("%d requests with FI or DI, want 57", n)
	}
	if diff := cmp.Diff(map[string]int{"FI": 50, "DI": 7, "UT": 7, "DC": 3}, got.Flags(all)); diff != "" {
		t.Error(diff)
	}
	if n := len(counted.Flags(func(s RequestSeries) bool { return s.Code == http.StatusOK })); n != 0 {
		t.Errorf("%d flags of requests that had none", n)
	}
}

func TestMeshRequests(t *testing.T) {
	page := testdata(t, "prometheus.txt")
	m, _ := meshWith(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != "/stats/prometheus?usedonly&filter=istio_requests_total" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write(page)
	})
	got, err := m.Requests(t.Context(), checkout)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(counted, got); diff != "" {
		t.Error(diff)
	}
	broken, _ := meshWith(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
	if got, err := broken.Requests(t.Context(), checkout); err == nil || !strings.HasPrefix(err.Error(), "read Pod shop/checkout-1: parse prometheus stats: ") {
		t.Errorf("got %v, %v", got, err)
	}
}
