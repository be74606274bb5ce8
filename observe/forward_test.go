package observe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

const (
	askedWebsocket = "GET websocket"
	askedSPDY      = "POST SPDY/3.1"
)

func mustDump(t *testing.T, m *Mesh) {
	t.Helper()
	got, err := m.ConfigDump(t.Context(), checkout, "")
	if err != nil || string(got) != "/config_dump" {
		t.Fatalf("ConfigDump = %q, %v", got, err)
	}
}

func wantAsked(t *testing.T, api *fakeAPI, want ...string) {
	t.Helper()
	if got := api.asked(); strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("upgrades asked for: %q, want %q", got, want)
	}
}

func TestForwardOverWebsocket(t *testing.T) {
	api := newFakeAPI(t, true)
	m := api.mesh(t)
	for range 3 {
		mustDump(t, m)
	}
	wantAsked(t, api, askedWebsocket, askedSPDY) // the second one is the API server's own
	api.cut()
	mustDump(t, m)
	wantAsked(t, api, askedWebsocket, askedSPDY)
}

func TestForwardOverSPDY(t *testing.T) {
	api := newFakeAPI(t, false)
	m := api.mesh(t)
	for range 3 {
		mustDump(t, m)
	}
	wantAsked(t, api, askedWebsocket, askedSPDY)
	api.cut()
	mustDump(t, m)
	wantAsked(t, api, askedSPDY) // it remembers that websockets are refused
}

func TestForwardCarriesManyReadsAtOnce(t *testing.T) {
	for _, websockets := range []bool{true, false} {
		t.Run(fmt.Sprintf("websockets=%t", websockets), func(t *testing.T) {
			api := newFakeAPI(t, websockets)
			large := strings.Repeat("all work and no play ", 5_000)
			api.admin.Load().Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = fmt.Fprint(w, r.URL.Path, large)
			})
			m := api.mesh(t)
			errs := inParallel(30, func(i int) error {
				path := fmt.Sprintf("/%d", i)
				got, err := m.Get(t.Context(), checkout, path)
				if err == nil && string(got) != path+large {
					err = fmt.Errorf("%s: %d bytes that are not the answer", path, len(got))
				}
				return err
			})
			if err := errors.Join(errs...); err != nil {
				t.Error(err)
			}
			if got := len(api.asked()); got != 2 {
				t.Errorf("%d upgrades, want 2", got)
			}
		})
	}
}

func TestForwardTellsTheWordsOfTheKubelet(t *testing.T) {
	api := newFakeAPI(t, true)
	admin := api.admin.Swap(nil)
	m := api.mesh(t)
	_, err := m.Get(t.Context(), checkout, "/")
	want := "get / of Pod shop/checkout-1: error forwarding port 15000 to pod checkout-1, uid : connect: connection refused"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	api.admin.Store(admin)
	mustDump(t, m)
}

func TestForwardToAPodThatIsGone(t *testing.T) {
	for _, websockets := range []bool{true, false} {
		m := newFakeAPI(t, websockets).mesh(t)
		_, err := m.Get(t.Context(), frontend, "/")
		if !apierrors.IsNotFound(err) || !strings.HasPrefix(err.Error(), "get / of Pod shop/frontend-1: ") {
			t.Errorf("error %v, want one of kind NotFound that names the Pod", err)
		}
	}
}

func TestCloseWaitsForItsGoroutines(t *testing.T) {
	for _, websockets := range []bool{true, false} {
		m := newFakeAPI(t, websockets).mesh(t)
		mustDump(t, m)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, frame := range []string{"observe.newForward", "observe.(*stream).listen"} {
			if bytes.Contains(stacks, []byte(frame)) {
				t.Errorf("after Close there is still a goroutine in %s", frame)
			}
		}
	}
}

func TestForwardWithoutRights(t *testing.T) {
	api := newFakeAPI(t, false)
	m, err := New(&rest.Config{Host: api.server.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, err = m.Get(t.Context(), checkout, "/")
	if err == nil || !strings.Contains(err.Error(), "port-forward: answered 401 Unauthorized") {
		t.Errorf("error %v", err)
	}
}

// silent accepts connections, says that it did, and then nothing.
func silent(t *testing.T) (url string, accepted <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	first, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns = append(conns, conn)
			select {
			case first <- struct{}{}:
			default:
			}
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
		for _, conn := range conns {
			_ = conn.Close()
		}
	})
	return "http://" + listener.Addr().String(), first
}

func TestForwardThroughASilentServerEndsWithTheContext(t *testing.T) {
	for name, spdyOnly := range map[string]bool{"websocket": false, "SPDY": true} {
		t.Run(name, func(t *testing.T) {
			url, accepted := silent(t)
			upgrades, err := newUpgrader(&rest.Config{Host: url})
			if err != nil {
				t.Fatal(err)
			}
			upgrades.spdyOnly.Store(spdyOnly)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			go func() {
				<-accepted
				cancel()
			}()
			if _, err := upgrades.dial(ctx, checkout); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want %v", err, context.Canceled)
			}
		})
	}
}

func TestNewRefusesABrokenConfig(t *testing.T) {
	if _, err := New(&rest.Config{Host: "http://[::1"}); err == nil {
		t.Error("New has no error")
	}
}

func TestAwaitDiscardsWhatComesLate(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	discarded := make(chan int, 1)
	proceed := make(chan struct{})
	_, err := await(ctx, func() (int, error) {
		cancel(cause)
		<-proceed
		return 7, nil
	}, func(late int) { discarded <- late })
	if !errors.Is(err, cause) {
		t.Errorf("error %v, want %v", err, cause)
	}
	close(proceed)
	if late := <-discarded; late != 7 {
		t.Errorf("discarded %d, want 7", late)
	}
}
