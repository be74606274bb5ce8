package observe

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// fakeTunnel is a tunnel to a server on loopback.
type fakeTunnel struct {
	address string
	opened  atomic.Int64
	mu      sync.Mutex
	conns   []net.Conn
	gone    chan struct{}
	once    sync.Once
}

func (f *fakeTunnel) open(ctx context.Context, _ string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.gone:
		return nil, errLost
	default:
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", f.address)
	if err == nil {
		f.opened.Add(1)
		f.conns = append(f.conns, conn)
	}
	return conn, err
}

func (f *fakeTunnel) lost() <-chan struct{} { return f.gone }

func (f *fakeTunnel) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.once.Do(func() { close(f.gone) })
	for _, conn := range f.conns {
		_ = conn.Close()
	}
}

// fakeDialer makes fakeTunnels to a server and remembers them.
type fakeDialer struct {
	server *httptest.Server
	mu     sync.Mutex
	made   []*fakeTunnel
}

func (d *fakeDialer) dial(context.Context, Proxy) (tunnel, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	made := &fakeTunnel{address: d.server.Listener.Addr().String(), gone: make(chan struct{})}
	d.made = append(d.made, made)
	return made, nil
}

func (d *fakeDialer) tunnels() []*fakeTunnel {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*fakeTunnel(nil), d.made...)
}

// meshWith is a Mesh all of whose proxies are handler.
func meshWith(t *testing.T, handler http.HandlerFunc) (*Mesh, *fakeDialer) {
	t.Helper()
	dialer := &fakeDialer{server: httptest.NewServer(handler)}
	t.Cleanup(dialer.server.Close)
	m := newMesh(nil, dialer.dial)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, dialer
}
