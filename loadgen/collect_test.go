package loadgen

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	vegeta "github.com/tsenart/vegeta/v12/lib"
)

func TestCollect(t *testing.T) {
	live := t.Context()
	ended, cancel := context.WithCancel(live)
	cancel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	results := []vegeta.Result{
		{
			Seq: 1, Timestamp: start.Add(25 * time.Millisecond), Latency: 30 * time.Millisecond, Code: 503,
			Error: "503 Service Unavailable", Headers: http.Header{"X-Faultline-Run": {"7f3a"}},
		},
		{Seq: 0, Timestamp: start, Latency: time.Second, Error: `Get "http://shop.example": context canceled`},
		{Seq: 2, Timestamp: start.Add(41 * time.Millisecond), Latency: time.Millisecond, Code: 200},
	}
	unavailable := Sample{
		Seq: 1, Intended: start.Add(20 * time.Millisecond), Lag: 5 * time.Millisecond, Latency: 35 * time.Millisecond,
		Code: 503, Run: "7f3a",
	}
	unanswered := Sample{Seq: 0, Intended: start, Latency: time.Second, Err: "context canceled"}
	good := Sample{
		Seq: 2, Intended: start.Add(40 * time.Millisecond), Lag: time.Millisecond, Latency: 2 * time.Millisecond, Code: 200,
	}
	tests := []struct {
		name string
		ctx  context.Context
		want []Sample
		cut  bool
	}{
		{"while the load runs", live, []Sample{unanswered, unavailable, good}, false},
		{"after its end only answers count", ended, []Sample{unavailable, good}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			channel := make(chan *vegeta.Result, len(results))
			for i := range results {
				channel <- &results[i]
			}
			close(channel)
			running := &Running{schedule: schedule{start: start, rate: 50}}
			if cut := running.collect(test.ctx, channel); cut != test.cut {
				t.Errorf("cut = %t, want %t", cut, test.cut)
			}
			if diff := cmp.Diff(test.want, running.Result().Samples); diff != "" {
				t.Errorf("samples (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBare(t *testing.T) {
	for message, want := range map[string]string{
		`Get "http://shop.example/a?b=c": dial tcp: no such host`: "dial tcp: no such host",
		`Post "https://shop.example": EOF`:                        "EOF",
		`Get "http://a": Get "http://b": EOF`:                     `Get "http://b": EOF`,
		"no such host":                                            "no such host",
		`strange "quotes": here`:                                  `strange "quotes": here`,
		"":                                                        "",
	} {
		if got := bare(message); got != want {
			t.Errorf("bare(%q) = %q, want %q", message, got, want)
		}
	}
}
