package observe

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

const (
	synced = `{"proxy": "checkout-1.shop", "proxy_type": "sidecar", "resources": {
		"type.googleapis.com/envoy.config.cluster.v3.Cluster": {"sent": "n1", "acked": "n1", "sentTime": "2026-11-25T18:39:12.3Z"},
		"type.googleapis.com/envoy.config.route.v3.RouteConfiguration": {"sent": "n2", "acked": "n2"}}}`
	behind = `{"proxy": "payments.v1-1.shop", "resources": {
		"type.googleapis.com/envoy.config.listener.v3.Listener": {"sent": "n3", "acked": ""},
		"type.googleapis.com/envoy.config.route.v3.RouteConfiguration": {"sent": "n2", "acked": "n1", "lastError": "no such filter"},
		"type.googleapis.com/tomorrow.v9.Thing": {"sent": "n1", "acked": "n1"}}}`
)

func TestParseSyncz(t *testing.T) {
	got, err := parseSyncz([]byte("[" + synced + "," + behind + `, {"proxy": ""}]`))
	want := map[string]Sync{
		"shop/checkout-1":    {Proxy: "shop/checkout-1"},
		"shop/payments.v1-1": {Proxy: "shop/payments.v1-1", Pending: []string{"listeners", "routes"}, Refused: map[string]string{"routes": "no such filter"}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if all, err := parseSyncz([]byte("[]")); err != nil || len(all) != 0 {
		t.Errorf("of no proxies: %v, %v", all, err)
	}
	for _, broken := range []string{"", "<html>", `{"proxy": "x"}`} {
		if _, err := parseSyncz([]byte(broken)); err == nil {
			t.Errorf("%q is taken for an answer", broken)
		}
	}
}

func TestSyncInWords(t *testing.T) {
	for want, s := range map[string]Sync{
		"it has acknowledged all that was sent to it":                                            {},
		"its listeners, routes are sent and not acknowledged":                                    {Pending: []string{"listeners", "routes"}},
		"it refused routes (NACK): no such filter, and its routes are sent and not acknowledged": {Pending: []string{"routes"}, Refused: map[string]string{"routes": "no such filter"}},
		"it refused listeners (NACK): a, and it refused routes (NACK): b":                        {Refused: map[string]string{"routes": "b", "listeners": "a"}},
	} {
		if got := s.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// istiods is a mesh with two of them; a nil handler stands for one that hangs.
func istiods(t *testing.T, handlers map[string]http.HandlerFunc) *Mesh {
	t.Helper()
	client := fake.NewClientset()
	dialers := map[string]*fakeDialer{}
	for name, handler := range handlers {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: name, Labels: map[string]string{"app": "istiod"}},
			Status:     corev1.PodStatus{Phase: corev1.PodRunning},
		}
		if err := client.Tracker().Add(pod); err != nil {
			t.Fatal(err)
		}
		dialers[name] = &fakeDialer{server: httptest.NewServer(handler)}
		t.Cleanup(dialers[name].server.Close)
	}
	m := newMesh(client.CoreV1(), func(ctx context.Context, p Proxy) (tunnel, error) { return dialers[p.Pod].dial(ctx, p) })
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestSyncz(t *testing.T) {
	says := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "127.0.0.1:15014" || r.URL.Path != "/debug/syncz" {
				http.Error(w, r.Host+r.URL.Path, http.StatusNotFound)
				return
			}
			_, _ = w.Write([]byte(text))
		}
	}
	forbidden := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) }

	all, err := istiods(t, map[string]http.HandlerFunc{"istiod-1": says("[" + synced + "]"), "istiod-2": says("[" + behind + "]")}).
		Syncz(t.Context(), "istio-system")
	if err != nil || len(all) != 2 || len(all["shop/payments.v1-1"].Pending) != 2 {
		t.Errorf("of two replicas: %v, %v", all, err)
	}
	all, err = istiods(t, map[string]http.HandlerFunc{"istiod-1": says("[" + synced + "]"), "istiod-2": forbidden}).
		Syncz(t.Context(), "istio-system")
	if err == nil || len(all) != 1 || !strings.Contains(err.Error(), "Pod istio-system/istiod-2") {
		t.Errorf("when one refuses: %v, %v", all, err)
	}
	if _, err := istiods(t, nil).Syncz(t.Context(), "istio-system"); !errors.Is(err, ErrNoIstiod) {
		t.Errorf("without one: %v", err)
	}
	if _, err := istiods(t, map[string]http.HandlerFunc{"istiod-1": says("[{}]")}).Syncz(t.Context(), "elsewhere"); !errors.Is(err, ErrNoIstiod) {
		t.Errorf("in another namespace: %v", err)
	}
}

func TestParseStarted(t *testing.T) {
	const staticType = `"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster"`
	at, err := parseStarted([]byte(`{"configs": [{` + staticType + `, "last_updated": "2026-11-25T18:45:47.050Z"},
		{` + staticType + `, "last_updated": "2026-11-25T18:45:47.047Z"}, {` + staticType + `}]}`))
	if want := time.Date(2026, 11, 25, 18, 45, 47, 47e6, time.UTC); err != nil || !at.Equal(want) {
		t.Errorf("got %s, %v; want %s", at, err, want)
	}
	for _, unknown := range []string{"", `{}`, `{"configs": [{}]}`, `{"configs": [{"last_updated": "yesterday"}]}`} {
		if at, err := parseStarted([]byte(unknown)); err == nil {
			t.Errorf("of %q: got %s, want an error", unknown, at)
		}
	}
}

func TestStarted(t *testing.T) {
	m, _ := meshWith(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() == startedPath {
			_, _ = w.Write([]byte(`{"configs": [{"last_updated": "2026-11-25T18:45:47.047Z"}]}`))
		}
	})
	if at, err := m.Started(t.Context(), Proxy{Namespace: "shop", Pod: "a"}); err != nil || at.IsZero() {
		t.Errorf("got %s, %v", at, err)
	}
	empty, _ := meshWith(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := empty.Started(t.Context(), Proxy{Namespace: "shop", Pod: "a"}); err == nil || !strings.HasPrefix(err.Error(), "read when Pod shop/a began: ") {
		t.Errorf("of no answer: %v", err)
	}
}
