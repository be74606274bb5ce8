package observe

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// envoyAdmin answers as Envoy does, except for the proxies that are broken.
func envoyAdmin(t *testing.T) http.HandlerFunc {
	t.Helper()
	clusters, stats := testdata(t, "clusters.json"), testdata(t, "stats.json")
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RequestURI() {
		case clustersPath, istiosPath:
			_, _ = w.Write(clusters)
		case statsPath:
			_, _ = w.Write(stats)
		case "/config_dump", "/config_dump?resource=dynamic_route_configs":
			echoPath(w, r)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}
}

func TestSnapshot(t *testing.T) {
	m, _ := meshWith(t, envoyAdmin(t))
	snapshot, err := m.Snapshot(t.Context(), []Proxy{frontend, checkout, frontend})
	if err != nil {
		t.Fatal(err)
	}
	if len(snapshot.Proxies) != 2 || snapshot.Proxies[0].Proxy.Pod != frontend.Pod || snapshot.Proxies[1].Proxy.Pod != checkout.Pod {
		t.Fatalf("proxies %v, want each once, as asked", snapshot.Proxies)
	}
	for _, state := range snapshot.Proxies {
		if len(state.Hosts) != 5 || state.Stats["http.out.downstream_rq_total"] != 30 {
			t.Errorf("%s: %d hosts, %v", state.Proxy, len(state.Hosts), state.Stats)
		}
	}
	if time.Since(snapshot.At) > time.Minute {
		t.Errorf("taken at %s", snapshot.At)
	}
}

func TestSnapshotIsAllOrNothing(t *testing.T) {
	good := &fakeDialer{server: httptest.NewServer(envoyAdmin(t))}
	defer good.server.Close()
	m := newMesh(nil, func(ctx context.Context, p Proxy) (tunnel, error) {
		if p.Pod != checkout.Pod {
			return nil, errors.New("no such Pod")
		}
		return good.dial(ctx, p)
	})
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	other := Proxy{Namespace: "shop", Pod: "other"}
	snapshot, err := m.Snapshot(t.Context(), []Proxy{frontend, checkout, other})
	want := "get /clusters?format=json of Pod shop/frontend-1: no such Pod\n" +
		"get /clusters?format=json of Pod shop/other: no such Pod"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if snapshot.Proxies != nil {
		t.Errorf("snapshot %v with an error", snapshot)
	}
}

func TestSnapshotNamesTheProxyThatTalksNonsense(t *testing.T) {
	m, _ := meshWith(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
	_, err := m.Snapshot(t.Context(), []Proxy{checkout})
	if err == nil || !strings.HasPrefix(err.Error(), "read Pod shop/checkout-1: parse clusters: ") {
		t.Errorf("error %v", err)
	}
}

func TestConfigDump(t *testing.T) {
	m, _ := meshWith(t, envoyAdmin(t))
	for query, want := range map[string]string{
		"":                               "/config_dump",
		"resource=dynamic_route_configs": "/config_dump?resource=dynamic_route_configs",
	} {
		if got, err := m.ConfigDump(t.Context(), checkout, query); err != nil || string(got) != want {
			t.Errorf("ConfigDump(%q) asked for %s, %v, want %s", query, got, err, want)
		}
	}
}
