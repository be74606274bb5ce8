package observe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	portforwardconst "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/rest"
	clientportforward "k8s.io/client-go/tools/portforward"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
)

// fakeAPI is an API server with one Pod, whose port-forwards are served by the
// code that the kubelet and container runtimes have.
type fakeAPI struct {
	server     *httptest.Server
	admin      atomic.Pointer[httptest.Server] // nil: nothing listens in the Pod
	websockets bool                            // as API servers since 1.31
	upgrades   chan string                     // what was asked for

	mu    sync.Mutex
	conns []net.Conn // upgraded ones
}

func newFakeAPI(t *testing.T, websockets bool) *fakeAPI {
	t.Helper()
	api := &fakeAPI{websockets: websockets, upgrades: make(chan string, 100)}
	admin := httptest.NewServer(envoyAdmin(t))
	t.Cleanup(admin.Close)
	api.admin.Store(admin)
	api.server = httptest.NewUnstartedServer(api)
	api.server.EnableHTTP2 = true // as API servers do
	api.server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	api.server.StartTLS()
	t.Cleanup(func() { api.cut(); api.server.Close() })
	return api
}

type connKey struct{}

// mesh is a Mesh that reads through api.
func (a *fakeAPI) mesh(t *testing.T) *Mesh {
	t.Helper()
	m, err := New(&rest.Config{Host: a.server.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}, BearerToken: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// cut breaks all upgraded connections, as the end of the API server does.
func (a *fakeAPI) cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, conn := range a.conns {
		_ = conn.Close()
	}
	a.conns = nil
}

func (a *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Authorization") != "Bearer secret":
		w.WriteHeader(http.StatusUnauthorized)
		return
	case r.URL.Path != "/api/v1/namespaces/shop/pods/checkout-1/portforward":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"pods \"x\" not found","reason":"NotFound","code":404}`)
		return
	}
	if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		a.mu.Lock()
		a.conns = append(a.conns, conn)
		a.mu.Unlock()
	}
	a.upgrades <- r.Method + " " + r.Header.Get("Upgrade")
	switch {
	case !websocket.IsWebSocketUpgrade(r):
		portforward.ServePortForward(w, r, a, "checkout-1", "", nil, time.Minute, time.Minute, []string{portforward.ProtocolV1Name})
	case a.websockets:
		a.tunnel(w, r)
	default:
		http.Error(w, "you must not upgrade", http.StatusForbidden)
	}
}

// tunnel does what API servers do with a websocket: it speaks plain SPDY with
// the kubelet, which is this same server.
func (a *fakeAPI) tunnel(w http.ResponseWriter, r *http.Request) {
	upgrade := websocket.Upgrader{Subprotocols: []string{portforwardconst.WebsocketsSPDYTunnelingPortForwardV1}}
	socket, err := upgrade.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	client := clientportforward.NewTunnelingConnection("api", socket)
	defer func() { _ = client.Close() }()
	kubelet, err := tls.Dial("tcp", a.server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer func() { _ = kubelet.Close() }()
	_, _ = fmt.Fprintf(kubelet, "POST %s HTTP/1.1\r\nHost: kubelet\r\nAuthorization: Bearer secret\r\nConnection: Upgrade\r\n"+
		"Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n", r.URL.Path)
	answers := bufio.NewReader(kubelet)
	if response, err := http.ReadResponse(answers, nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(client, answers)
		_ = client.Close()
	}()
	_, _ = io.Copy(kubelet, client)
	_ = kubelet.Close()
	<-done
}

// PortForward copies between a stream and the admin port of the Pod.
func (a *fakeAPI) PortForward(_ context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	if port != 15000 {
		return fmt.Errorf("port %d is not Envoy's admin", port)
	}
	admin := a.admin.Load()
	if admin == nil {
		return errors.New("connect: connection refused")
	}
	conn, err := net.Dial("tcp", admin.Listener.Addr().String())
	if err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(conn, stream)
		_ = conn.Close()
	}()
	_, _ = io.Copy(stream, conn)
	_ = stream.Close()
	<-done
	return nil
}

// asked returns the upgrades that were asked for since the last call.
func (a *fakeAPI) asked() []string {
	var all []string
	for {
		select {
		case upgrade := <-a.upgrades:
			all = append(all, upgrade)
		default:
			return all
		}
	}
}
