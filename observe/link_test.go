package observe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func echoPath(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.URL.RequestURI()) }

func mustGet(t *testing.T, m *Mesh, path string) {
	t.Helper()
	got, err := m.Get(t.Context(), checkout, path)
	if err != nil || string(got) != path {
		t.Fatalf("Get(%s) = %q, %v", path, got, err)
	}
}

func TestGetReusesOneConnection(t *testing.T) {
	m, dialer := meshWith(t, echoPath)
	for i := range 5 {
		mustGet(t, m, fmt.Sprintf("/stats?n=%d", i))
	}
	made := dialer.tunnels()
	if len(made) != 1 || made[0].opened.Load() != 1 {
		t.Errorf("%d tunnels, %d streams in the first, want 1 and 1", len(made), made[0].opened.Load())
	}
	if _, err := m.Get(t.Context(), frontend, "/"); err != nil {
		t.Fatal(err)
	}
	if made := dialer.tunnels(); len(made) != 2 {
		t.Errorf("%d tunnels to 2 proxies", len(made))
	}
}

func TestGetInParallelHoldsOneTunnel(t *testing.T) {
	m, dialer := meshWith(t, echoPath)
	errs := inParallel(50, func(i int) error {
		_, err := m.Get(t.Context(), checkout, fmt.Sprintf("/%d", i))
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if made := dialer.tunnels(); len(made) != 1 {
		t.Errorf("%d tunnels, want 1", len(made))
	}
}

func TestGetDialsAgainWhenTheTunnelWasLost(t *testing.T) {
	m, dialer := meshWith(t, echoPath)
	mustGet(t, m, "/a")
	dialer.tunnels()[0].close()
	mustGet(t, m, "/b")
	mustGet(t, m, "/c")
	if made := dialer.tunnels(); len(made) != 2 {
		t.Errorf("%d tunnels, want 2", len(made))
	}
}

func TestGetTriesOnceMoreWhenTheTunnelBreaksUnderIt(t *testing.T) {
	var calls atomic.Int64
	var dialer *fakeDialer
	m, dialer := meshWith(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			dialer.tunnels()[0].close()
			return
		}
		echoPath(w, r)
	})
	mustGet(t, m, "/a")
	if made := dialer.tunnels(); len(made) != 2 {
		t.Errorf("%d tunnels, want 2", len(made))
	}
}

func TestGetGivesUpAfterTheSecondTunnel(t *testing.T) {
	m, dialer := meshWith(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := m.Get(t.Context(), checkout, "/a")
	if err == nil || !strings.HasPrefix(err.Error(), "get /a of Pod shop/checkout-1: ") {
		t.Errorf("error %v does not name path and Pod", err)
	}
	if made := dialer.tunnels(); len(made) != 2 {
		t.Errorf("%d tunnels, want 2", len(made))
	}
}

func TestGetRefusesOtherAnswersThan200(t *testing.T) {
	m, dialer := meshWith(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "invalid path. "+strings.Repeat("x", 1000), http.StatusNotFound)
	})
	_, err := m.Get(t.Context(), checkout, "/nosuch")
	want := `get /nosuch of Pod shop/checkout-1: answered 404 Not Found: "invalid path. xxx`
	if err == nil || !strings.HasPrefix(err.Error(), want) || len(err.Error()) > 350 {
		t.Errorf("error %v, want %s… and not the whole page", err, want)
	}
	if made := dialer.tunnels(); len(made) != 1 {
		t.Errorf("%d tunnels: an answer is no reason to dial again", len(made))
	}
}

func TestGetWantsAPath(t *testing.T) {
	m, dialer := meshWith(t, echoPath)
	for _, path := range []string{"", "stats", "@evil.example/", "?x"} {
		if _, err := m.Get(t.Context(), checkout, path); err == nil {
			t.Errorf("Get(%q) has no error", path)
		}
	}
	if made := dialer.tunnels(); len(made) != 0 {
		t.Errorf("%d tunnels, want none", len(made))
	}
}

func TestGetEndsWithItsContext(t *testing.T) {
	arrived := make(chan struct{}, 1)
	m, dialer := meshWith(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("halted")
	go func() {
		<-arrived
		cancel(cause)
	}()
	if _, err := m.Get(ctx, checkout, "/"); !errors.Is(err, cause) {
		t.Errorf("error %v, want %v", err, cause)
	}
	select {
	case <-dialer.tunnels()[0].lost():
		t.Error("a cancelled read closed the tunnel of all others")
	default:
	}
}

func TestGetDropsATunnelThatDoesNotAnswer(t *testing.T) {
	var calls atomic.Int64
	m, dialer := meshWith(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		echoPath(w, r)
	})
	_, err := m.do(t.Context(), http.MethodGet, checkout, "/a", 50*time.Millisecond)
	want := "get /a of Pod shop/checkout-1: no answer within 50ms: context deadline exceeded"
	if err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want %s", err, want)
	}
	mustGet(t, m, "/b")
	if made := dialer.tunnels(); len(made) != 2 {
		t.Errorf("%d tunnels, want 2", len(made))
	}
}

func TestCloseEndsReads(t *testing.T) {
	var m *Mesh
	var once sync.Once
	closed := make(chan error, 1)
	m, dialer := meshWith(t, func(_ http.ResponseWriter, r *http.Request) {
		once.Do(func() { go func() { closed <- m.Close() }() })
		<-r.Context().Done()
	})
	if _, err := m.Get(t.Context(), checkout, "/"); !errors.Is(err, errClosed) {
		t.Errorf("read under way: error %v, want %v", err, errClosed)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := m.Get(t.Context(), checkout, "/"); !errors.Is(err, errClosed) {
		t.Errorf("read after Close: error %v, want %v", err, errClosed)
	}
	for _, made := range dialer.tunnels() {
		<-made.lost()
	}
}

func TestCloseEndsDialling(t *testing.T) {
	dialling := make(chan struct{})
	m := newMesh(nil, func(ctx context.Context, _ Proxy) (tunnel, error) {
		close(dialling)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	failed := make(chan error)
	go func() {
		_, err := m.Get(context.WithoutCancel(t.Context()), checkout, "/")
		failed <- err
	}()
	<-dialling
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, errClosed) {
		t.Errorf("error %v, want %v", err, errClosed)
	}
}
