package loadgen_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-mesh/faultline/loadgen"
)

func TestRequestsAreSentAsDescribed(t *testing.T) {
	noLeaks(t)
	type request struct{ Method, Path, Host, User, Body string }
	seen := make(chan request, 100)
	server := serve(t, func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Errorf("read body: %v", err)
		}
		seen <- request{req.Method, req.URL.String(), req.Host, req.Header.Get("X-User"), string(body)}
	})
	tests := []struct {
		name string
		load loadgen.Load
		want request
	}{
		{
			"defaults",
			loadgen.Load{URL: server.URL + "/checkout"},
			request{Method: "GET", Path: "/checkout", Host: strings.TrimPrefix(server.URL, "http://")},
		},
		{
			"everything",
			loadgen.Load{
				URL: "http://shop.example/checkout?a=b", ConnectTo: strings.TrimPrefix(server.URL, "http://"),
				Method: "POST", Header: map[string]string{"x-user": "jason"}, Body: `{"cart":1}`,
			},
			request{"POST", "/checkout?a=b", "shop.example", "jason", `{"cart":1}`},
		},
		{
			"other Host header",
			loadgen.Load{URL: server.URL, Header: map[string]string{"host": "payments.shop"}},
			request{Method: "GET", Path: "/", Host: "payments.shop"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.load.Rate, test.load.Duration = 100, 30*time.Millisecond
			result := run(t, test.load)
			if got := result.Count(200); got != 3 || result.Requests() != 3 {
				t.Errorf("%s, want 3 × 200", result)
			}
			for range result.Requests() {
				if diff := cmp.Diff(test.want, <-seen); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestSamplesFollowTheSchedule(t *testing.T) {
	var seqs tally
	server := serve(t, func(_ http.ResponseWriter, req *http.Request) { seqs.add(req.Header.Get("X-Vegeta-Seq")) })
	begin := time.Now()
	result := run(t, loadgen.Load{URL: server.URL, Rate: 200, Duration: 500 * time.Millisecond})
	end := time.Now()

	if result.Requests() != 100 || seqs.distinct() != 100 {
		t.Fatalf("%d samples, %d numbers at the server, want 100 of each", result.Requests(), seqs.distinct())
	}
	first := result.Samples[0].Intended
	for i, s := range result.Samples {
		if want := first.Add(time.Duration(i) * 5 * time.Millisecond); s.Seq != uint64(i) || !s.Intended.Equal(want) {
			t.Errorf("sample %d has number %d and was intended %s after the first", i, s.Seq, s.Intended.Sub(first))
		}
		if s.Lag < 0 || s.Latency < s.Lag || s.Code != 200 || s.Err != "" {
			t.Errorf("sample %d: %+v", i, s)
		}
		if s.Intended.Before(begin) || s.Intended.Add(s.Latency).After(end) {
			t.Errorf("sample %d is from outside of the run: %+v", i, s)
		}
	}
}

func TestDefaultRate(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	if got := run(t, loadgen.Load{URL: server.URL, Duration: 200 * time.Millisecond}).Requests(); got != 10 {
		t.Errorf("%d requests in 200ms, want 10", got)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	connections := func(handler http.HandlerFunc) int64 {
		var opened atomic.Int64
		server := httptest.NewUnstartedServer(handler)
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened.Add(1)
			}
		}
		server.Start()
		defer server.Close()
		load := loadgen.Load{URL: server.URL, Rate: 200, Duration: 250 * time.Millisecond, MaxInFlight: 5}
		if got := run(t, load).Count(200); got != 50 {
			t.Errorf("%d answers, want 50", got)
		}
		return opened.Load()
	}
	if got := connections(func(http.ResponseWriter, *http.Request) {}); got > 5 {
		t.Errorf("%d connections for 50 requests of which 5 may be in flight", got)
	}
	// The companion: where the server closes them, the count is seen to rise.
	closing := func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }
	if got := connections(closing); got != 50 {
		t.Errorf("%d connections for 50 requests of which each closes its own", got)
	}
}

func TestConnectionsAreClosedAtTheEnd(t *testing.T) {
	opened, closed := make(chan struct{}, 100), make(chan struct{}, 100)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened <- struct{}{}
		case http.StateClosed:
			closed <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	run(t, loadgen.Load{URL: server.URL, Rate: 200, Duration: 100 * time.Millisecond})
	for deadline := time.After(5 * time.Second); len(opened) > 0; <-opened {
		select {
		case <-closed:
		case <-deadline:
			t.Fatalf("%d connections are still open", len(opened))
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int64
	server := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/next" {
			followed.Add(1)
		}
		http.Redirect(w, req, "/next", http.StatusFound)
	})
	result := run(t, loadgen.Load{URL: server.URL, Rate: 100, Duration: 50 * time.Millisecond})
	if rate, _ := result.SuccessRate(); result.Count(302) != 5 || followed.Load() != 0 || rate != 1 {
		t.Errorf("%s; %d redirects followed", result, followed.Load())
	}
}

func TestMarkedAnswersAreCounted(t *testing.T) {
	var n atomic.Int64
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%2 == 0 {
			w.Header().Set("X-Faultline-Run", "7f3a")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	result := run(t, loadgen.Load{URL: server.URL, Rate: 200, Duration: 50 * time.Millisecond})
	if result.Marked("7f3a") != 5 || result.Marked("7f3b") != 0 || result.Count(503) != 5 {
		t.Errorf("%d marked, %s; want 5 of 10", result.Marked("7f3a"), result)
	}
	for _, s := range result.Samples {
		if s.Err != "" || (s.Run == "7f3a") != (s.Code == 503) {
			t.Errorf("sample %+v", s)
		}
	}
}

func TestRequestsWithoutAnAnswer(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	hung, _ := hanging(t)
	tests := []struct {
		name string
		load loadgen.Load
		want string // in Err
	}{
		{"nobody listens", loadgen.Load{URL: closed.URL}, "connect: connection refused"},
		{"never answers", loadgen.Load{URL: hung.URL, Timeout: 30 * time.Millisecond}, "no full answer within 30ms"},
		{"never ends its answer", loadgen.Load{URL: endless(t).URL, Timeout: 30 * time.Millisecond}, "no full answer within 30ms"},
		{"breaks off", loadgen.Load{URL: breakingOff(t).URL}, "unexpected EOF"},
		{"certificate of its own", loadgen.Load{URL: ownCertificate(t).URL}, "tls: failed to verify certificate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			noLeaks(t)
			test.load.Rate, test.load.Duration = 100, 30*time.Millisecond
			result := run(t, test.load)
			if result.Requests() != 3 || result.Count(0) != 3 {
				t.Errorf("%s, want 3 without an answer", result)
			}
			for _, s := range result.Samples {
				if !strings.Contains(s.Err, test.want) || strings.Contains(s.Err, "Get ") {
					t.Errorf("Err = %q, want %q", s.Err, test.want)
				}
				if test.load.Timeout > 0 && s.Latency < test.load.Timeout {
					t.Errorf("gave up after %s, timeout %s", s.Latency, test.load.Timeout)
				}
			}
		})
	}
}

func TestOneLoadRunsMoreThanOnce(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	load := loadgen.Load{URL: server.URL, Rate: 500, Duration: 50 * time.Millisecond}
	one, err := load.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, load).Requests(); got != 25 {
		t.Errorf("second run, beside the first: %d requests, want 25", got)
	}
	for range 2 { // Wait may be called again, too
		if result, err := one.Wait(); err != nil || result.Requests() != 25 {
			t.Errorf("first run: %s, %v", result, err)
		}
	}
	if got := run(t, load).Requests(); got != 25 {
		t.Errorf("third run: %d requests, want 25", got)
	}
}
