package experiments

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/faultline-mesh/faultline/internal/bundle"
	"github.com/faultline-mesh/faultline/observe"
)

// What these tests cannot have is proxies: that a bundle has what they show is
// proven by the script why of cmd/faultline.

// Every run is kept with its report; only of one that was not Held the mesh is
// looked at.
func TestRunsAreKept(t *testing.T) {
	const secretRoutes = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: secret, namespace: shop}
spec: {hosts: [inventory.shop.svc.cluster.local], http: [{headers: {request: {set: {authorization: s3cret}}}, route: [{destination: {host: inventory}}]}]}
`
	const otherRoutes = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: other, namespace: shop}
spec: {hosts: [payments], http: [{route: [{destination: {host: payments}}]}]}
`
	const event = `
apiVersion: v1
kind: Event
metadata: {name: e, namespace: shop}
involvedObject: {kind: Pod, namespace: shop, name: inventory-1}
type: Warning
reason: Unhealthy
message: "probe failed, token=s3cret"
count: 3
lastTimestamp: "2126-01-02T15:04:05Z"
`
	api := newFakeAPI(t, inventoryService, inventoryRoutes, secretRoutes, otherRoutes, event)
	first, second := t.TempDir(), filepath.Join(t.TempDir(), "new", "one")
	runner := api.runner(t, WithBundle(first), WithBundle(second))
	target := newTarget(t)

	held, err := runner.Run(t.Context(), target.experiment())
	if err != nil || held.Verdict != Held {
		t.Fatal(err, held)
	}
	kept, err := bundle.Read(second, held.Run)
	if err != nil || kept.Bundle.Took != "" || len(kept.Bundle.Story) < 2 || kept.Bundle.Asked.Load != "GET "+target.URL+" at 200/s" {
		t.Errorf("got %+v, %v", kept, err)
	}
	var report struct{ Verdict, Run string }
	if err := json.Unmarshal(kept.Report, &report); err != nil || report.Verdict != "Held" || report.Run != held.Run {
		t.Errorf("got %+v, %v", report, err)
	}

	open, err := runner.Run(t.Context(), target.faulted()) // no proxy shows it
	if err != nil || open.Verdict != Inconclusive {
		t.Fatal(err, open)
	}
	if kept, err = bundle.Read(first, open.Run); err != nil {
		t.Fatal(err)
	}
	b := kept.Bundle
	var refs []string
	for _, o := range b.Objects {
		refs = append(refs, o.Ref)
	}
	if diff := cmp.Diff([]string{"VirtualService shop/inventory", "VirtualService shop/secret"}, refs); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if b.Took == "" || len(b.Events) != 1 || b.Events[0].Count != 3 || b.Events[0].Message != "probe failed, token=(hidden)" {
		t.Errorf("took %q, events %+v", b.Took, b.Events)
	}
	if diff := cmp.Diff(bundle.Asked{Faults: []string{callerFault.String()}, Hosts: []string{"inventory.shop"}, Load: "GET " + target.URL + " at 200/s"}, b.Asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	content, err := os.ReadFile(filepath.Join(kept.Dir, "objects.yaml"))
	if err != nil || strings.Contains(string(content), "s3cret") || !strings.Contains(string(content), "authorization: (hidden)") {
		t.Errorf("got %v\n%s", err, content)
	}
}

// What cannot be had is told there, takes no more than its time, and fails nothing.
func TestABundleIsBounded(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	released := make(chan struct{})
	t.Cleanup(func() { close(released) })
	api.refuse = func(r *http.Request) int {
		switch {
		case strings.HasSuffix(r.URL.Path, "/events"):
			return http.StatusForbidden
		case strings.HasSuffix(r.URL.Path, "/destinationrules") && r.URL.Query().Get("limit") == "": // never answers in time
			select {
			case <-r.Context().Done():
			case <-released:
			}
			return http.StatusGatewayTimeout
		}
		return 0
	}
	dir := t.TempDir()
	tr := &trial{Runner: api.runner(t, WithBundle(dir)), experiment: newTarget(t).faulted()}
	tr.report = &Report{Run: "49c4", Verdict: Deviated, Reason: "because"}
	var err error
	if tr.mesh, err = observe.New(tr.config); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as after Ctrl-C
	tr.keep(ctx)
	if took := time.Since(began); took < bundleBudget/2 || took > bundleBudget+2*time.Second {
		t.Errorf("it took %s", took)
	}
	if err := tr.mesh.Close(); err != nil {
		t.Error(err)
	}
	kept, err := bundle.Read(dir, "49c4")
	if err != nil {
		t.Fatal(err)
	}
	missing := strings.Join(kept.Bundle.Missing, "\n")
	for _, want := range []string{"destinationrules of shop: ", "no answer within 3s", "events of shop: ", "what istiod says of the proxies: "} {
		if !strings.Contains(missing, want) {
			t.Errorf("missing:\n%s\nwant %q in it", missing, want)
		}
	}
	if len(kept.Bundle.Objects) != 1 {
		t.Errorf("what could be had was lost: %+v", kept.Bundle.Objects)
	}
}

// A directory that cannot be written fails nothing, and is told.
func TestARunThatCannotBeKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	told := ""
	report, err := newFakeAPI(t).runner(t, WithBundle(filepath.Join(file, "runs")), WithProgress(func(e Event) {
		if e.Step == "bundle" {
			told = e.Text
		}
	})).Run(t.Context(), newTarget(t).experiment())
	if err != nil || report.Verdict != Held || !strings.HasPrefix(told, "the run is not kept: keep run "+report.Run) {
		t.Errorf("told %q; got %v\n%s", told, err, report)
	}
}

func TestParseCertificates(t *testing.T) {
	const answer = `{"certificates": [
		{"ca_cert": [{"serial_number": "c1", "valid_from": "2026-01-01T00:00:00Z", "expiration_time": "2036-01-01T00:00:00Z", "subject_alt_names": []}],
		 "cert_chain": [{"serial_number": "a1", "valid_from": "2026-11-25T00:00:00Z", "expiration_time": "2026-11-26T00:00:00Z", "subject_alt_names": [{"uri": "spiffe://cluster.local/ns/shop/sa/checkout"}]}]},
		{"ca_cert": [{"serial_number": "c1", "valid_from": "2026-01-01T00:00:00Z", "expiration_time": "2036-01-01T00:00:00Z"}], "cert_chain": []}]}`
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	got, err := parseCertificates([]byte(answer))
	want := []bundle.Certificate{
		{Of: "chain", Serial: "a1", Names: []string{"spiffe://cluster.local/ns/shop/sa/checkout"}, From: day(2026, 11, 25), Expires: day(2026, 11, 26)},
		{Of: "ca", Serial: "c1", From: day(2026, 1, 1), Expires: day(2036, 1, 1)},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("got %v (-want +got):\n%s", err, diff)
	}
	if got, err := parseCertificates([]byte(`{"certificates": []}`)); err != nil || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := parseCertificates([]byte(`no`)); err == nil {
		t.Error("what is no answer was read")
	}
}

func TestTransportOf(t *testing.T) {
	for cluster, want := range map[string]string{
		`{"name": "a"}`: "a: plain text",
		`{"name": "a", "transport_socket": {"name": "envoy.transport_sockets.tls"}}`:                                "a: TLS",
		`{"name": "a", "transport_socket": {"typed_config": {"alpn_protocols": ["istio-peer-exchange", "istio"]}}}`: "a: mTLS",
		`{"name": "a", "transport_socket_matches": [{"name": "tlsMode-istio"}, {"name": "tlsMode-disabled"}]}`:      "a: mTLS with hosts that have it",
		`{"name": "a", "transport_socket_matches": [{"name": "other"}]}`:                                            "a: plain text",
		`[`: "a cluster that cannot be read",
	} {
		if got := transportOf([]byte(cluster)); got != want {
			t.Errorf("%s: got %q, want %q", cluster, got, want)
		}
	}
	if got := envoyVersion("9e55/1.40.0/Clean/RELEASE/BoringSSL"); got != "1.40.0" {
		t.Errorf("got %q", got)
	}
}

func TestReadLog(t *testing.T) {
	const plain = `[2026-11-23T05:46:00.557Z] "GET /a HTTP/1.1" 200 - via_upstream - "-" 0 1 1 1 "-" "go" "i1" "h" "1.2.3.4:80" outbound|80||inventory.shop.svc.cluster.local - - - - everybody`
	const hit = `[2026-11-23T05:46:00.557Z] "GET /a?token=s3cret HTTP/1.1" 503 FI fault_filter_abort - "-" 0 1 1 - "-" "go" "i2" "h" "-" outbound|80||inventory.shop.svc.cluster.local - - - - faultline-7f3a-0`
	log := strings.Repeat(plain+"\n", 30) + hit + "\n" +
		"[2026-11-23 05:46:00.494][1][warning][misc] [a.cc:1] Deprecated field\n[2026-11-23 05:46:01.494][2][warning][misc] [a.cc:1] Deprecated field\nhello\n"
	var shown bundle.Proxy
	tr := trace{routes: []string{"faultline-7f3a-0"}, from: began, to: began.Add(time.Minute), signs: aborts(100)}
	readLog([]byte(log), []trace{tr}, &shown)
	if shown.Requests != 31 || shown.Met != 1 || shown.Faulted != 1 || shown.Flags["FI"] != 1 || len(shown.Flags) != 1 || len(shown.AccessLog) != accessLines {
		t.Errorf("got %+v", shown)
	}
	if len(shown.Marked) != 1 || !strings.Contains(shown.Marked[0], "token=(hidden)") {
		t.Errorf("marked %q", shown.Marked)
	}
	if diff := cmp.Diff([]string{"[2026-11-23 05:46:01.494][2][warning][misc] [a.cc:1] Deprecated field", "hello"}, shown.Log); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestRulingObject(t *testing.T) {
	object := func(spec map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"kind": "VirtualService", "spec": spec,
			"metadata": map[string]any{"name": "a", "namespace": "shop", "annotations": map[string]any{corev1.LastAppliedConfigAnnotation: "{}"}},
		}}
	}
	hosts := []string{"inventory.shop", "api.bank.example"}
	for name, test := range map[string]struct {
		spec map[string]any
		want bool
	}{
		"short name":        {map[string]any{"hosts": []any{"inventory"}}, true},
		"in full":           {map[string]any{"host": "inventory.shop.svc.cluster.local"}, true},
		"of a ServiceEntry": {map[string]any{"hosts": []any{"api.bank.example"}}, true},
		"wildcard":          {map[string]any{"hosts": []any{"*.shop.svc.cluster.local"}}, true},
		"another":           {map[string]any{"hosts": []any{"payments"}}, false},
		"whoever":           {map[string]any{"mtls": map[string]any{"mode": "STRICT"}}, true},
	} {
		got, rules := rulingObject(object(test.spec), hosts)
		if rules != test.want || got.Ref != "VirtualService shop/a" {
			t.Errorf("%s: got %t of %s", name, rules, got.Ref)
		}
		if strings.Contains(got.Made, "0001") || len(got.Content["metadata"].(map[string]any)["annotations"].(map[string]any)) > 0 {
			t.Errorf("%s: made %q, content %v", name, got.Made, got.Content)
		}
	}
}

func TestEventTime(t *testing.T) {
	at := func(h int) metav1.Time { return metav1.Time{Time: began.Add(time.Duration(h) * time.Hour)} }
	for want, e := range map[int]corev1.Event{
		1: {Series: &corev1.EventSeries{LastObservedTime: metav1.MicroTime(at(1))}, LastTimestamp: at(2)},
		2: {LastTimestamp: at(2), EventTime: metav1.MicroTime(at(3))},
		3: {EventTime: metav1.MicroTime(at(3))},
		4: {ObjectMeta: metav1.ObjectMeta{CreationTimestamp: at(4)}},
	} {
		if got := eventTime(e); !got.Equal(at(want).Time) {
			t.Errorf("got %s, want %s", got, at(want))
		}
	}
}
