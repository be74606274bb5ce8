package experiments

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/cri-streaming/pkg/streaming/portforward"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// simProxy is one simulated sidecar: what its Envoy's admin answers.
type simProxy struct {
	mu      sync.Mutex
	routes  []string // of inventory.shop
	changed int      // times
	began   time.Time
	hangs   bool
	reads   int
	sent    int // bytes
}

// simMesh is an API server with many sidecars, whose port-forwards end in
// simulated Envoys. Each knows so many other services on the same port.
type simMesh struct {
	server   *httptest.Server
	services string // the virtual hosts of the others

	mu      sync.Mutex
	order   []string
	proxies map[string]*simProxy
	syncz   string // istiod's word; without it there is no istiod
}

func newSimMesh(tb testing.TB, proxies, services int) *simMesh {
	tb.Helper()
	m := &simMesh{proxies: map[string]*simProxy{}}
	for n := range proxies {
		m.add(fmt.Sprintf("caller-%d", n))
	}
	var hosts []string
	for n := range services {
		hosts = append(hosts, virtualHostOf(fmt.Sprintf("other-%d.shop", n), "default"))
	}
	m.services = strings.Join(hosts, ",")
	m.server = httptest.NewUnstartedServer(m)
	m.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	m.server.Start()
	tb.Cleanup(m.server.Close)
	return m
}

func virtualHostOf(service string, routes ...string) string {
	host := service + ".svc.cluster.local"
	var domains, rendered []string
	for _, d := range []string{host, host + ".", service + ".svc", service, "10.0.0.1"} {
		domains = append(domains, fmt.Sprintf("%q,%q", d, d+":80"))
	}
	for _, r := range routes {
		rendered = append(rendered, fmt.Sprintf(`{"name":%q,"match":{"prefix":"/"},"route":{"cluster":"outbound|80||%s","timeout":"0s",`+
			`"retry_policy":{"retry_on":"connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes","num_retries":2}},`+
			`"decorator":{"operation":"%s:80/*"}}`, r, host, host))
	}
	return fmt.Sprintf(`{"name":"%s:80","domains":[%s],"routes":[%s]}`, host, strings.Join(domains, ","), strings.Join(rendered, ","))
}

func (m *simMesh) add(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := &simProxy{routes: []string{"inventory"}, began: time.Now()}
	m.order, m.proxies[name] = append(m.order, name), p
}

func (m *simMesh) remove(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.proxies, name)
}

func (m *simMesh) proxy(name string) *simProxy {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.proxies[name]
}

// push gives proxies other routes, as istiod does.
func (m *simMesh) push(routes []string, to ...string) {
	if len(to) == 0 {
		to = m.names()
	}
	for _, name := range to {
		p := m.proxy(name)
		p.mu.Lock()
		p.routes, p.changed = routes, p.changed+1
		p.mu.Unlock()
	}
}

func (m *simMesh) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, name := range m.order {
		if m.proxies[name] != nil {
			names = append(names, name)
		}
	}
	return names
}

func (m *simMesh) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/") // /api/v1/namespaces/shop/pods/NAME/portforward
	switch {
	case strings.HasSuffix(r.URL.Path, "/portforward") && r.Header.Get("Upgrade") == "websocket":
		http.Error(w, "no websockets here", http.StatusForbidden)
	case strings.HasSuffix(r.URL.Path, "/portforward"):
		portforward.ServePortForward(w, r, m, parts[len(parts)-2], "", nil, time.Minute, time.Minute, []string{portforward.ProtocolV1Name})
	case r.URL.Query().Get("labelSelector") != "":
		m.list(w, map[bool][]string{true: {"istiod"}}[m.syncz != ""])
	default:
		m.list(w, m.names())
	}
}

func (m *simMesh) list(w http.ResponseWriter, names []string) {
	items := []any{}
	for _, name := range names {
		items = append(items, map[string]any{
			"metadata": map[string]any{"name": name, "namespace": "shop", "uid": name},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "app"}, map[string]any{"name": "istio-proxy"}}},
			"status": map[string]any{"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": []any{
				map[string]any{"name": "istio-proxy", "ready": true},
			}},
		})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "PodList", "apiVersion": "v1", "metadata": map[string]any{}, "items": items})
}

// PortForward answers the requests of one stream.
func (m *simMesh) PortForward(_ context.Context, pod, _ string, _ int32, stream io.ReadWriteCloser) error {
	defer func() { _ = stream.Close() }()
	requests := bufio.NewReader(stream)
	for {
		request, err := http.ReadRequest(requests)
		if err != nil {
			return nil
		}
		body := m.syncz
		if pod != "istiod" {
			var hangs bool
			if body, hangs = m.answer(pod, request.URL); hangs {
				_, _ = io.Copy(io.Discard, stream)
				return nil
			}
		}
		response := http.Response{
			StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		}
		if err := response.Write(stream); err != nil {
			return nil
		}
	}
}

// answer is what an Envoy's admin says.
func (m *simMesh) answer(pod string, u *url.URL) (body string, hangs bool) {
	p := m.proxy(pod)
	if p == nil {
		return "", true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	stamp := func(n int) string { return began.Add(time.Duration(n) * time.Millisecond).Format(time.RFC3339Nano) }
	q := u.Query()
	switch masked := q.Get("mask") != ""; {
	case u.Path == "/ready":
		body = "LIVE\n"
	case q.Get("resource") == "static_clusters":
		body = fmt.Sprintf(`{"configs":[{"last_updated":%q}]}`, p.began.Format(time.RFC3339Nano))
	case q.Get("resource") == "dynamic_active_clusters":
		body = `{"configs":[{"cluster":{"name":"outbound|80||inventory.shop.svc.cluster.local"}}]}`
	case q.Get("resource") == "dynamic_route_configs" && masked:
		body = fmt.Sprintf(`{"configs":[{"last_updated":%q}]}`, stamp(p.changed))
	case q.Get("resource") == "dynamic_route_configs":
		hosts := virtualHostOf("inventory.shop", p.routes...)
		if m.services != "" {
			hosts = m.services + "," + hosts
		}
		other := `{"route_config":{"name":"8080","virtual_hosts":[]}},`
		if q.Get("name_regex") != "" {
			other = ""
		}
		body = fmt.Sprintf(`{"configs":[%s{"last_updated":%q,"route_config":{"name":"80","virtual_hosts":[%s]}}]}`, other, stamp(p.changed), hosts)
	}
	p.reads, p.sent = p.reads+1, p.sent+len(body)
	return body, p.hangs
}

// trial is a trial of a fault on inventory in this mesh.
func (m *simMesh) trial(tb testing.TB) *trial {
	tb.Helper()
	config := &rest.Config{Host: m.server.URL}
	mesh, err := observe.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := mesh.Close(); err != nil {
			tb.Error(err)
		}
	})
	runner, err := NewRunner(config)
	if err != nil {
		tb.Fatal(err)
	}
	return &trial{
		Runner: runner, mesh: mesh, report: &Report{Run: "7f3a"},
		experiment: Experiment{Faults: []injector.Fault{callerFault}},
		plan:       injector.Plan{Edits: []injector.Edit{callerEdit(0, []string{"faultline-7f3a-0"})}},
	}
}

var simFaulted, simClean = []string{"faultline-7f3a-0", "inventory"}, []string{"inventory"}

// Each proxy that lags is told with what it has, and with istiod's word.
func TestAwaitSaysWhatLaggardsHave(t *testing.T) {
	m := newSimMesh(t, 4, 3)
	m.push(simFaulted, "caller-0")
	m.proxy("caller-2").hangs = true
	m.syncz = `[{"proxy": "caller-1.shop", "resources": {"type.googleapis.com/envoy.config.route.v3.RouteConfiguration": {"sent": "2", "acked": "1", "lastError": "no such filter"}}},
		{"proxy": "caller-2.shop", "resources": {}}]`
	trial := m.trial(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	c := trial.await(ctx, true)
	want := []string{
		"Pod shop/caller-1 does not show faultline-7f3a-: for inventory.shop it has the routes inventory; istiod says that " +
			"it refused routes (NACK): no such filter, and its routes are sent and not acknowledged",
		"Pod shop/caller-2 cannot be read: ",
		"Pod shop/caller-3 does not show faultline-7f3a-: for inventory.shop it has the routes inventory; istiod does not know it: it is not connected",
	}
	if c.Proxies != 4 || len(c.Late) != 3 || c.Max > 900*time.Millisecond {
		t.Fatalf("got %+v", c)
	}
	for n := range want {
		if !strings.HasPrefix(c.Late[n], want[n]) {
			t.Errorf("got  %s\nwant %s", c.Late[n], want[n])
		}
	}
	if !strings.HasSuffix(c.Late[1], "; istiod says that it has acknowledged all that was sent to it") {
		t.Error(c.Late[1])
	}
}

// When istiod cannot be asked, that is said, once.
func TestAwaitWithoutIstiod(t *testing.T) {
	m := newSimMesh(t, 2, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	c := m.trial(t).await(ctx, true)
	if text := strings.Join(c.Late, "\n"); len(c.Late) != 2 || strings.Count(text, "istiod's debug endpoint could not be read (") != 1 {
		t.Errorf("got %s", text)
	}
}

// A proxy that is born while others are waited for is waited for, too; one that
// goes is not.
func TestAwaitFollowsTheRoster(t *testing.T) {
	m := newSimMesh(t, 3, 0)
	m.push(simFaulted, "caller-0")
	trial := m.trial(t)
	done := make(chan Convergence)
	go func() { done <- trial.await(t.Context(), true) }()
	settled(t, "the first look at the last proxy", func() bool { return m.proxy("caller-2").readSoFar() > 2 })
	m.add("born")
	m.remove("caller-1")
	m.push(simFaulted, "caller-2")
	settled(t, "the first look at the one that was born", func() bool { return m.proxy("born").readSoFar() > 2 })
	select {
	case c := <-done:
		t.Fatalf("it did not wait for the one that was born: %+v", c)
	default:
	}
	m.push(simFaulted, "born")
	if c := <-done; c.Proxies != 3 || len(c.Late) != 0 {
		t.Errorf("got %+v", c)
	}
}

// One that was born and lacks the fault is named as such.
func TestAwaitNamesTheNewbornWithoutTheFault(t *testing.T) {
	m := newSimMesh(t, 2, 0)
	m.push(simFaulted)
	m.add("born")
	trial := m.trial(t)
	trial.newborn = map[string]bool{"Pod shop/born born": true}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	c := trial.await(ctx, true)
	if c.Proxies != 3 || len(c.Late) != 1 || !strings.HasPrefix(c.Late[0], "Pod shop/born (born during the run) does not show faultline-7f3a-: ") {
		t.Errorf("got %+v", c)
	}
}

// While nothing changes in a proxy, its routes are not read again and again.
func TestAwaitReadsWhatHasChanged(t *testing.T) {
	m := newSimMesh(t, 1, 200)
	trial := m.trial(t)
	ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer cancel()
	trial.await(ctx, true)
	p := m.proxy("caller-0")
	if whole := len(m.services); p.reads < 8 || p.sent > 4*whole {
		t.Errorf("%d bytes in %d reads; the routes have %d", p.sent, p.reads, whole)
	}
}

func (p *simProxy) readSoFar() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reads
}

func settled(t *testing.T, what string, check func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !check(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// cpuTime is what this process has used of its cores.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkBarrier is the time from a push to all proxies until the barrier has
// seen it on every one of them, and gone again, with the port-forwards held, as
// after a baseline.
func BenchmarkBarrier(b *testing.B) {
	for _, size := range []int{50, 500, 1000} {
		b.Run(fmt.Sprintf("%d proxies", size), func(b *testing.B) {
			m := newSimMesh(b, size, 100)
			trial := m.trial(b)
			trial.explore(b.Context())
			before := cpuTime(b)
			for b.Loop() {
				m.push(simFaulted)
				if c := trial.await(b.Context(), true); c.Proxies != size || len(c.Late) > 0 {
					b.Fatalf("%+v", c)
				}
				b.StopTimer()
				m.push(simClean)
				if c := trial.await(b.Context(), false); c.Proxies != size || len(c.Late) > 0 {
					b.Fatalf("%+v", c)
				}
				b.StartTimer()
			}
			b.ReportMetric((cpuTime(b)-before).Seconds()/float64(2*b.N), "cpu-s/barrier") // of both sides
		})
	}
}
