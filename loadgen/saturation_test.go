package loadgen_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/faultline-mesh/faultline/loadgen"
)

// These run each check on plain vegeta, too: had it passed there, the check
// would prove nothing about what this package adds.

func TestSaturationShowsAsLag(t *testing.T) {
	const (
		rate  = 100.0
		pause = 50 * time.Millisecond
	)
	server := serve(t, after(pause))
	// One at a time takes 50 ms each; 20 that are due within 200 ms take 1 s.
	result := run(t, loadgen.Load{URL: server.URL, Rate: rate, Duration: 200 * time.Millisecond, MaxInFlight: 1})
	if result.Count(200) != 20 {
		t.Fatalf("%s; want all 20 of the schedule", result)
	}
	last := result.Samples[19]
	if late := 19*pause - 190*time.Millisecond; last.Lag < late || last.Latency < late+pause {
		t.Errorf("last request: lag %s, latency %s; want at least %s and %s", last.Lag, last.Latency, late, late+pause)
	}
	if lag, _ := result.LagQuantile(1); lag < 700*time.Millisecond {
		t.Errorf("largest lag %s hides the saturation", lag)
	}

	// The companion: in flight enough, no lag.
	free := run(t, loadgen.Load{URL: server.URL, Rate: rate, Duration: 200 * time.Millisecond})
	if lag, _ := free.LagQuantile(0.5); lag > pause {
		t.Errorf("half of the requests were more than %s late without saturation: %s", lag, free)
	}
	// The other companion: vegeta, with as many workers, saw nothing.
	var plain vegeta.Metrics
	attacker := vegeta.NewAttacker(vegeta.MaxWorkers(1))
	for r := range attacker.Attack(get(server.URL), vegeta.Rate{Freq: 100, Per: time.Second}, 200*time.Millisecond, "") {
		plain.Add(r)
	}
	plain.Close()
	if plain.Latencies.Max > 500*time.Millisecond {
		t.Errorf("vegeta shows the saturation by itself: largest latency %s", plain.Latencies.Max)
	}
}

func TestInFlightIsBounded(t *testing.T) {
	const limit = 15
	most := func(attack func(url string)) int64 {
		var g gauge
		attack(serve(t, g.measure(after(100*time.Millisecond))).URL)
		return g.most.Load()
	}
	got := most(func(url string) {
		run(t, loadgen.Load{URL: url, Rate: 500, Duration: 200 * time.Millisecond, MaxInFlight: limit})
	})
	if got > limit {
		t.Errorf("%d requests at once, MaxInFlight %d", got, limit)
	}
	if got < limit-2 {
		t.Errorf("only %d requests at once: the limit was not put to the test", got)
	}
	unbounded := most(func(url string) {
		attacker := vegeta.NewAttacker()
		for range attacker.Attack(get(url), vegeta.Rate{Freq: 500, Per: time.Second}, 200*time.Millisecond, "") {
			continue
		}
	})
	if unbounded <= limit {
		t.Errorf("plain vegeta had %d requests at once: the check cannot fail", unbounded)
	}
}

// The companion of the tests of cancel: Stop leaves requests in flight alone.
func TestPlainVegetaDoesNotCutRequests(t *testing.T) {
	noLeaks(t)
	const pause = 2 * prompt
	arrived := make(chan struct{}, 100)
	slow := after(pause)
	server := serve(t, func(w http.ResponseWriter, req *http.Request) {
		arrived <- struct{}{}
		slow(w, req)
	})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	attacker := vegeta.NewAttacker(vegeta.Client(&http.Client{Transport: transport}))
	results := attacker.Attack(get(server.URL), vegeta.Rate{Freq: 100, Per: time.Second}, time.Hour, "")
	<-arrived
	took := timed(func() {
		attacker.Stop()
		for range results {
			continue
		}
	})
	if took < prompt {
		t.Errorf("plain vegeta ended %s after Stop: the check of the cancel cannot fail", took)
	}
}

// The companion of TestOneLoadRunsMoreThanOnce: an attacker does not.
func TestPlainVegetaAttackerIsForOneAttack(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	attacker := vegeta.NewAttacker()
	attack := func() (n int) {
		for range attacker.Attack(get(server.URL), vegeta.Rate{Freq: 500, Per: time.Second}, 50*time.Millisecond, "") {
			n++
		}
		return n
	}
	// A busy machine gets fewer than 25 of them into the 50 ms, but some.
	if first, second := attack(), attack(); first == 0 || second >= first {
		t.Errorf("one attacker sent %d and then %d requests", first, second)
	}
}

// TestStallOfTheTarget is the case for which latency counts from the schedule:
// a target that stands still delays all requests that were due meanwhile.
func TestStallOfTheTarget(t *testing.T) {
	const stall = 500 * time.Millisecond
	begin := time.Now()
	server := serve(t, func(_ http.ResponseWriter, req *http.Request) {
		after(time.Until(begin.Add(stall)))(nil, req)
	})
	result := run(t, loadgen.Load{URL: server.URL, Rate: 100, Duration: time.Second, MaxInFlight: 2})
	p25, _ := result.Quantile(0.25)
	p75, _ := result.Quantile(0.75)
	// Half of the requests were due while it stood still, a quarter in its first half.
	if result.Count(200) != 100 || p75 < stall/2-50*time.Millisecond || p25 > stall/2 {
		t.Errorf("p25 %s, p75 %s: %s", p25, p75, result)
	}
}

// get asks for url, without keeping connections beyond the attack.
func get(url string) vegeta.Targeter {
	return func(t *vegeta.Target) error {
		if t == nil {
			return errors.New("no target")
		}
		t.Method, t.URL, t.Header = http.MethodGet, url, http.Header{"Connection": {"close"}}
		return nil
	}
}
