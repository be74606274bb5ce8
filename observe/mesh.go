package observe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

const (
	readTimeout = 5 * time.Second  // for the counters of one proxy
	dumpTimeout = 30 * time.Second // for what may be large: config dumps, logs
	maxParallel = 16               // proxies that are read at a time
)

// errClosed is the answer to every read after Close.
var errClosed = errors.New("the Mesh is closed")

// Mesh reads the proxies of a mesh through its API server. It holds one
// port-forward to each proxy that was read, without a local listening port.
// All methods are safe for concurrent use. Whoever made it calls
// [Mesh.Close]. Use [New]; the zero Mesh does not work.
type Mesh struct {
	pods corev1client.PodsGetter
	dial dialFunc
	idle func() // drops idle connections to the API server; may be nil

	closed    chan struct{} // closed by Close
	bodies    buffers       // for answers that are read all the time
	statsPath string        // of those that a Series has

	mu    sync.Mutex
	links map[string]*link // by key of the proxy, and port
}

// New returns a Mesh that reads through the API server of cfg. It does not
// connect yet, and it does not keep cfg. The user of cfg needs list on pods,
// create (for API servers that speak websockets also get) on
// pods/portforward, and for [Mesh.Logs] get on pods/log.
func New(cfg *rest.Config) (*Mesh, error) {
	upgrades, err := newUpgrader(cfg)
	if err != nil {
		return nil, fmt.Errorf("port-forward client: %w", err)
	}
	cfg = rest.CopyConfig(cfg)
	if cfg.QPS == 0 && cfg.RateLimiter == nil {
		cfg.QPS, cfg.Burst = 50, 100 // logs of many proxies are asked for at once
	}
	client, err := corev1client.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("pods client: %w", err)
	}
	m := newMesh(client, upgrades.dial)
	m.idle = upgrades.closeIdle
	return m, nil
}

// newMesh is New with its two ways to the mesh as parameters.
func newMesh(pods corev1client.PodsGetter, dial dialFunc) *Mesh {
	return &Mesh{pods: pods, dial: dial, closed: make(chan struct{}), statsPath: seriesStatsPath(), links: map[string]*link{}}
}

// Get returns what Envoy's admin answers to a GET of path, which may carry a
// query. The first read of a proxy connects to it; a connection that broke is
// made anew. Any status but 200 is an error. A read takes 30 seconds at most.
func (m *Mesh) Get(ctx context.Context, p Proxy, path string) ([]byte, error) {
	return m.do(ctx, http.MethodGet, p, path, dumpTimeout)
}

// ConfigDump returns the JSON of Envoy's /config_dump. The query is what
// follows the '?', encoded, such as "resource=dynamic_route_configs"; empty
// asks for all.
func (m *Mesh) ConfigDump(ctx context.Context, p Proxy, query string) ([]byte, error) {
	path := "/config_dump"
	if query != "" {
		path += "?" + query
	}
	return m.Get(ctx, p, path)
}

// Snapshot reads the counters of all proxies, in parallel. It is all or
// nothing: if a proxy cannot be read, the error names it, and every other one
// that cannot, and the Snapshot is empty. Reading one proxy takes 10 seconds
// at most.
func (m *Mesh) Snapshot(ctx context.Context, proxies []Proxy) (Snapshot, error) {
	proxies = distinct(proxies)
	states := make([]ProxyState, len(proxies))
	errs := inParallel(len(proxies), func(i int) (err error) {
		states[i], err = m.state(ctx, proxies[i])
		return err
	})
	if err := errors.Join(errs...); err != nil {
		return Snapshot{}, err
	}
	return Snapshot{At: time.Now(), Proxies: states}, nil
}

// Close ends every port-forward and waits until their goroutines are gone.
// Only a handshake that the API server never answered may keep one for up to
// 30 seconds more. Reads under way end with an error. Closing twice is no
// error.
func (m *Mesh) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if isClosed(m.closed) {
		return nil
	}
	close(m.closed)
	for _, link := range m.links {
		link.close()
	}
	clear(m.links)
	if m.idle != nil {
		m.idle()
	}
	return nil
}

// state reads all counters of a proxy.
func (m *Mesh) state(ctx context.Context, p Proxy) (ProxyState, error) {
	hosts, err := m.hosts(ctx, p)
	if err != nil {
		return ProxyState{}, err
	}
	data, err := m.do(ctx, http.MethodGet, p, statsPath, readTimeout)
	if err != nil {
		return ProxyState{}, err
	}
	stats, err := parseStats(data)
	if err != nil {
		return ProxyState{}, fmt.Errorf("read %s: %w", p, err)
	}
	return ProxyState{Proxy: p, Hosts: hosts, Stats: stats}, nil
}

// hosts reads the counters that every proxy has.
func (m *Mesh) hosts(ctx context.Context, p Proxy) ([]Host, error) {
	data, err := m.do(ctx, http.MethodGet, p, clustersPath, readTimeout)
	if err != nil {
		return nil, err
	}
	hosts, err := parseClusters(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	return hosts, nil
}

// scan is hosts for whoever reads a proxy again and again.
func (m *Mesh) scan(ctx context.Context, p Proxy, s *scanner) (hosts []Host, same bool, err error) {
	body := m.bodies.get()
	defer m.bodies.put(body)
	if err := m.askInto(ctx, http.MethodGet, p, adminPort, istiosPath, readTimeout, body); err != nil {
		return nil, false, err
	}
	hosts, same, err = s.scan(body.Bytes())
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", p, err)
	}
	return hosts, same, nil
}

// seriesStats reads the stats that a Series has.
func (m *Mesh) seriesStats(ctx context.Context, p Proxy) (map[string]uint64, error) {
	data, err := m.do(ctx, http.MethodGet, p, m.statsPath, readTimeout)
	if err != nil {
		return nil, err
	}
	return parseStats(data)
}

// do asks the admin of p for path.
func (m *Mesh) do(ctx context.Context, method string, p Proxy, path string, timeout time.Duration) ([]byte, error) {
	return m.ask(ctx, method, p, adminPort, path, timeout)
}

// ask asks a port of a Pod for path.
func (m *Mesh) ask(ctx context.Context, method string, p Proxy, port, path string, timeout time.Duration) ([]byte, error) {
	var body bytes.Buffer
	if err := m.askInto(ctx, method, p, port, path, timeout, &body); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

// askInto puts the answer into body, in place of what is in it.
func (m *Mesh) askInto(ctx context.Context, method string, p Proxy, port, path string, timeout time.Duration, body *bytes.Buffer) error {
	link, err := m.link(p, port)
	if !strings.HasPrefix(path, "/") {
		err = errors.New("path does not begin with '/'")
	}
	if err == nil {
		err = link.do(ctx, method, path, timeout, body)
	}
	if err != nil {
		return fmt.Errorf("%s %s of %s: %w", strings.ToLower(method), path, p, err)
	}
	return nil
}

// link returns the one link to a port of p, which may not be connected yet.
func (m *Mesh) link(p Proxy, port string) (*link, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if isClosed(m.closed) {
		return nil, errClosed
	}
	key := p.key() + ":" + port
	held, ok := m.links[key]
	if !ok {
		held = newLink(m.closed, p, port, m.dial)
		m.links[key] = held
	}
	return held, nil
}

// inParallel calls read with 0 to n-1, some at a time, and returns their
// errors by index.
func inParallel(n int, read func(int) error) []error {
	errs := make([]error, n)
	var group errgroup.Group
	group.SetLimit(maxParallel)
	for i := range n {
		group.Go(func() error {
			errs[i] = read(i)
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs
	return errs
}

// distinct leaves out repeated proxies: nothing must be counted twice.
func distinct(proxies []Proxy) []Proxy {
	seen := make(map[string]bool, len(proxies))
	var all []Proxy
	for _, p := range proxies {
		if !seen[p.key()] {
			seen[p.key()] = true
			all = append(all, p)
		}
	}
	return all
}
