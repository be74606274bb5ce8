package loadgen_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/loadgen"
)

// gated answers 200 once open is closed. arrived receives for each request.
func gated(t *testing.T) (url string, open chan struct{}, arrived <-chan struct{}, count *atomic.Int64) {
	t.Helper()
	open, count = make(chan struct{}), new(atomic.Int64)
	arrivals := make(chan struct{}, 10_000)
	server := serve(t, func(_ http.ResponseWriter, req *http.Request) {
		count.Add(1)
		arrivals <- struct{}{}
		select {
		case <-open:
		case <-req.Context().Done():
		}
	})
	return server.URL, open, arrivals, count
}

// What was sent is waited for. Nothing more is sent, or it would last an hour.
func TestEndAwaitsRequestsInFlight(t *testing.T) {
	noLeaks(t)
	url, open, arrived, count := gated(t)
	running, _ := start(t, loadgen.Load{URL: url, Rate: 100, Duration: time.Hour})
	for range 5 {
		<-arrived
	}
	running.End()
	running.End() // changes nothing
	ended := make(chan struct{})
	go func() { _, _ = running.Wait(); close(ended) }()
	select {
	case <-ended:
		t.Error("ended without the answers")
	case <-time.After(50 * time.Millisecond):
	}
	close(open)
	result, err := running.Wait()
	if err != nil || result.Requests() < 5 || result.Count(200) != result.Requests() || result.Requests() != int(count.Load()) {
		t.Errorf("Wait = %s, %v; the server saw %d", result, err, count.Load())
	}
}

// Whoever waits for the answers can still be stopped, and then it is told.
func TestCancelAfterEnd(t *testing.T) {
	noLeaks(t)
	hung, arrived := hanging(t)
	running, cancel := start(t, loadgen.Load{URL: hung.URL, Rate: 100, Duration: time.Hour})
	<-arrived
	running.End()
	cancel(nil)
	if _, err := running.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}

// Ending what has ended is nothing.
func TestEndAfterTheEnd(t *testing.T) {
	noLeaks(t)
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	running, _ := start(t, loadgen.Load{URL: server.URL, Rate: 100, Duration: 50 * time.Millisecond})
	if result, err := running.Wait(); err != nil || result.Count(200) != 5 {
		t.Errorf("Wait = %s, %v", result, err)
	}
	running.End()
	if result, err := running.Wait(); err != nil || result.Count(200) != 5 {
		t.Errorf("Wait = %s, %v", result, err)
	}
}
