package loadgen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A transport dials with a context that outlives the request; see that the end
// of either the run or the request ends the dial.
func TestDialEndsWithTheRunAndTheRequest(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	nothing := func() {}
	tests := []struct {
		name string
		end  func(run, request context.CancelFunc) context.CancelFunc
		ends bool
	}{
		{"nothing ends", func(_, _ context.CancelFunc) context.CancelFunc { return nothing }, false},
		{"the run ends", func(run, _ context.CancelFunc) context.CancelFunc { return run }, true},
		{"the request ends", func(_, request context.CancelFunc) context.CancelFunc { return request }, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			run, cancelRun := context.WithCancel(t.Context())
			defer cancelRun()
			request, cancelRequest := context.WithCancel(t.Context())
			defer cancelRequest()
			d := dialer{ctx: run, connectTo: listener.Addr().String()}
			// Called within the dial, which goes on when this returns.
			d.ControlContext = func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
				test.end(cancelRun, cancelRequest)()
				if test.ends {
					<-ctx.Done()
				}
				return nil
			}
			conn, err := d.dial(request, "tcp", "shop.example:80")
			if err == nil {
				_ = conn.Close()
			}
			if (err != nil) != test.ends {
				t.Errorf("dial = %v", err)
			}
		})
	}
}

// HTTP/2 is negotiated where there is TLS, and says no more than "deadline
// exceeded" by itself.
func TestTimeoutOverHTTP2(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string // error
	}{
		{"answers", func(http.ResponseWriter, *http.Request) {}, ""},
		{"never answers", func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }, "no full answer within 50ms"},
		{"never ends its answer", func(w http.ResponseWriter, req *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("flush: %v", err)
			}
			<-req.Context().Done()
		}, "no full answer within 50ms"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			protocol := make(chan int, 1)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				protocol <- req.ProtoMajor
				test.handler(w, req)
			}))
			server.EnableHTTP2 = true
			server.StartTLS()
			defer server.Close()
			timeout := 5 * time.Second
			if test.want != "" {
				timeout = 50 * time.Millisecond
			}
			client, transport := newClient(t.Context(), Load{Timeout: timeout, MaxInFlight: 1})
			defer transport.CloseIdleConnections()
			roots := x509.NewCertPool()
			roots.AddCert(server.Certificate())
			transport.TLSClientConfig = &tls.Config{RootCAs: roots}

			got := ""
			if err := readAll(client, server.URL); err != nil {
				got = err.Error()
			}
			if got != test.want && !strings.HasSuffix(got, ": "+test.want) {
				t.Errorf("err = %q, want %q", got, test.want)
			}
			if major := <-protocol; major != 2 {
				t.Errorf("HTTP/%d, want 2", major)
			}
		})
	}
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A timer that outlived its request would stay for the whole timeout.
func TestContextOfARequestEndsWithItsBody(t *testing.T) {
	var sent context.Context
	transport := boundTransport{ctx: t.Context(), timeout: time.Hour, next: roundTrip(func(req *http.Request) (*http.Response, error) {
		sent = req.Context()
		return &http.Response{Body: io.NopCloser(strings.NewReader("ok"))}, nil
	})}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://shop.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); string(body) != "ok" || err != nil || sent.Err() != nil {
		t.Errorf("body %q, %v; context %v", body, err, sent.Err())
	}
	if err := resp.Body.Close(); err != nil || sent.Err() == nil {
		t.Errorf("Close = %v; context still live", err)
	}
}

func readAll(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
