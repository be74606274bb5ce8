package loadgen_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/loadgen"
)

func TestCancelCutsRequestsInFlight(t *testing.T) {
	noLeaks(t)
	hung, arrived := hanging(t)
	running, cancel := start(t, loadgen.Load{URL: hung.URL, Rate: 500, Duration: time.Hour})
	for range 20 {
		<-arrived
	}
	halt := errors.New("success rate at most 50%")
	var result loadgen.Result
	var err error
	took := timed(func() {
		cancel(halt)
		result, err = running.Wait()
	})
	if took > prompt {
		t.Errorf("ended %s after the cancel", took)
	}
	if result.Requests() != 0 {
		t.Errorf("requests that were cut off are samples: %s", result)
	}
	want := "load on " + hung.URL + " ended early: success rate at most 50%"
	if !errors.Is(err, halt) || err.Error() != want {
		t.Errorf("err = %v, want %s", err, want)
	}
}

func TestCancelCutsAnAnswerThatDoesNotEnd(t *testing.T) {
	noLeaks(t)
	var answering atomic.Int64
	reached := make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		if answering.Add(1) == 5 {
			close(reached)
		}
		<-req.Context().Done()
	})
	running, cancel := start(t, loadgen.Load{URL: server.URL, Rate: 100})
	<-reached
	took := timed(func() {
		cancel(nil)
		if result, err := running.Wait(); err != nil || result.Requests() != 0 {
			t.Errorf("Wait = %s, %v; want no requests and no error", result, err)
		}
	})
	if took > prompt {
		t.Errorf("ended %s after the cancel", took)
	}
}

func TestCancelKeepsWhatHasEnded(t *testing.T) {
	noLeaks(t)
	const good = 25
	var n atomic.Int64
	held := make(chan struct{}, 10_000)
	server := serve(t, func(_ http.ResponseWriter, req *http.Request) {
		if n.Add(1) > good {
			held <- struct{}{}
			<-req.Context().Done()
		}
	})
	// One at a time: when the next arrives, the others have been answered.
	running, cancel := start(t, loadgen.Load{URL: server.URL, Rate: 500, MaxInFlight: 1})
	<-held
	cancel(nil)
	result, err := running.Wait()
	if err != nil || result.Requests() != good || result.Count(200) != good {
		t.Errorf("Wait = %s, %v; want %d × 200", result, err, good)
	}
}

func TestCancelDoesNotWaitForTheNextRequest(t *testing.T) {
	noLeaks(t)
	answered := make(chan struct{}, 1)
	server := serve(t, func(http.ResponseWriter, *http.Request) { answered <- struct{}{} })
	running, cancel := start(t, loadgen.Load{URL: server.URL, Rate: 0.01, Duration: time.Hour})
	<-answered // the next is due in 100 s
	took := timed(func() {
		cancel(nil)
		if _, err := running.Wait(); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v, want context.Canceled", err)
		}
	})
	if took > prompt {
		t.Errorf("ended %s after the cancel", took)
	}
}

func TestContextThatEndedBeforeTheStart(t *testing.T) {
	noLeaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, duration := range []time.Duration{0, time.Hour} {
		result, err := loadgen.Load{URL: "http://127.0.0.1:1", Duration: duration}.Run(ctx)
		if result.Requests() != 0 || errors.Is(err, context.Canceled) != (duration > 0) {
			t.Errorf("duration %s: Run = %s, %v", duration, result, err)
		}
	}
}

func TestWithoutDurationTheContextIsTheEnd(t *testing.T) {
	noLeaks(t)
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
	defer cancel()
	result, err := loadgen.Load{URL: server.URL, Rate: 100}.Run(ctx)
	if err != nil || result.Requests() < 20 || result.Requests() > 26 {
		t.Errorf("Run = %s, %v; want about 25 requests and no error", result, err)
	}
}

func TestEndOfDurationAwaitsRequestsInFlight(t *testing.T) {
	noLeaks(t)
	const pause = 300 * time.Millisecond
	server := serve(t, after(pause))
	var result loadgen.Result
	took := timed(func() {
		result = run(t, loadgen.Load{URL: server.URL, Rate: 100, Duration: 100 * time.Millisecond})
	})
	if result.Count(200) != 10 || took < pause {
		t.Errorf("%s after %s, want 10 × 200 after at least %s", result, took, pause)
	}
	if least, _ := result.Quantile(0); least < pause {
		t.Errorf("smallest latency %s, want at least %s", least, pause)
	}
}

func TestCancelWhileAwaitingTheLast(t *testing.T) {
	noLeaks(t)
	hung, arrived := hanging(t)
	running, cancel := start(t, loadgen.Load{URL: hung.URL, Rate: 1000, Duration: 3 * time.Millisecond})
	for range 3 {
		<-arrived // all of them: the schedule is over
	}
	took := timed(func() {
		cancel(nil)
		if result, err := running.Wait(); !errors.Is(err, context.Canceled) || result.Requests() != 0 {
			t.Errorf("Wait = %s, %v; want no requests and context.Canceled", result, err)
		}
	})
	if took > prompt {
		t.Errorf("ended %s after the cancel", took)
	}
}

func TestResultWhileRunning(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	running, cancel := start(t, loadgen.Load{URL: server.URL, Rate: 1000})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for seen := 0; seen < 50; {
				result := running.Result()
				if result.Requests() < seen {
					t.Errorf("%d requests after %d", result.Requests(), seen)
				}
				seen = result.Requests()
				for i := 1; i < seen; i++ {
					if !result.Samples[i-1].Intended.Before(result.Samples[i].Intended) {
						t.Error("samples out of order")
					}
				}
				clear(result.Samples) // ours: must not show up anywhere else
			}
		})
	}
	readers.Wait()
	cancel(nil)
	result, err := running.Wait()
	if err != nil || result.Count(200) != result.Requests() {
		t.Errorf("Wait = %s, %v; a reader changed it", result, err)
	}
}
