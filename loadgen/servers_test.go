package loadgen_test

import (
	"bufio"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// serve starts a server that t closes.
func serve(tb testing.TB, handler http.HandlerFunc) *httptest.Server {
	tb.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = quiet()
	server.Start()
	tb.Cleanup(server.Close)
	return server
}

// quiet is for servers whose clients are meant to go away.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// hanging answers nothing until the client has gone. arrived receives once for
// each request that came in.
func hanging(t *testing.T) (server *httptest.Server, arrived <-chan struct{}) {
	t.Helper()
	arrivals := make(chan struct{}, 10_000)
	server = serve(t, func(_ http.ResponseWriter, req *http.Request) {
		arrivals <- struct{}{}
		<-req.Context().Done()
	})
	return server, arrivals
}

// after answers 200 when the pause is over or the client has gone.
func after(pause time.Duration) http.HandlerFunc {
	return func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-time.After(pause):
		case <-req.Context().Done():
		}
	}
}

// endless answers 200 and then does not end its body.
func endless(t *testing.T) *httptest.Server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, req *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		<-req.Context().Done()
	})
}

// breakingOff closes the connection within its body.
func breakingOff(t *testing.T) *httptest.Server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		defer func() { _ = conn.Close() }()
		answer(t, buffer.Writer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
	})
}

func answer(t *testing.T, w *bufio.Writer, text string) {
	t.Helper()
	if _, err := w.WriteString(text); err != nil {
		t.Errorf("write: %v", err)
	}
	if err := w.Flush(); err != nil {
		t.Errorf("flush: %v", err)
	}
}

// ownCertificate speaks TLS with a certificate that nobody trusts.
func ownCertificate(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}
