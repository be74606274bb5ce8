package loadgen_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-mesh/faultline/loadgen"
)

// result returns a second's worth of samples with the codes, the i-th of which
// took i+1 milliseconds and left i microseconds late.
func result(codes ...int) loadgen.Result {
	var r loadgen.Result
	for i, code := range codes {
		r.Samples = append(r.Samples, loadgen.Sample{
			Seq:      uint64(i),
			Intended: at(i, len(codes)),
			Latency:  time.Duration(i+1) * time.Millisecond,
			Lag:      time.Duration(i) * time.Microsecond,
			Code:     code,
		})
	}
	return r
}

// at returns when request i of n within a second is due.
func at(i, n int) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(i) * time.Second / time.Duration(n))
}

func TestEmptyResult(t *testing.T) {
	var r loadgen.Result
	if rate, ok := r.SuccessRate(); ok || rate != 0 {
		t.Errorf("SuccessRate = %v, %t", rate, ok)
	}
	for name, quantile := range map[string]func(float64) (time.Duration, bool){
		"Quantile": r.Quantile, "LagQuantile": r.LagQuantile,
		"Max": func(float64) (time.Duration, bool) { return r.Max() },
	} {
		if d, ok := quantile(0.5); ok || d != 0 {
			t.Errorf("%s = %s, %t", name, d, ok)
		}
	}
	if r.Requests() != 0 || r.Count(0) != 0 || r.Marked("") != 0 || len(r.Codes()) != 0 || r.Codes() == nil {
		t.Errorf("an empty result counts something: %+v", r.Codes())
	}
	if got := r.Between(at(0, 1), at(1, 1)).Requests(); got != 0 {
		t.Errorf("a part of nothing has %d requests", got)
	}
}

func TestCounts(t *testing.T) {
	r := result(200, 204, 302, 399, 400, 199, 503, 503, 0, 0)
	r.Samples[6].Run, r.Samples[8].Run = "7f3a", "7f3a" // the latter was cut off within its body
	if rate, ok := r.SuccessRate(); rate != 0.4 || !ok {
		t.Errorf("SuccessRate = %v, %t; want 0.4: 200, 204, 302, 399", rate, ok)
	}
	if r.Requests() != 10 || r.Count(503) != 2 || r.Count(0) != 2 || r.Count(404) != 0 {
		t.Errorf("%d requests, %d × 503, %d × 0, %d × 404", r.Requests(), r.Count(503), r.Count(0), r.Count(404))
	}
	want := map[int]int{0: 2, 199: 1, 200: 1, 204: 1, 302: 1, 399: 1, 400: 1, 503: 2}
	if diff := cmp.Diff(want, r.Codes()); diff != "" {
		t.Errorf("Codes (-want +got):\n%s", diff)
	}
	if r.Marked("7f3a") != 1 || r.Marked("7f3b") != 0 || r.Marked("") != 0 {
		t.Errorf("marked: %d, %d, %d", r.Marked("7f3a"), r.Marked("7f3b"), r.Marked(""))
	}
	if diff := cmp.Diff(r, r.LoadResult()); diff != "" {
		t.Errorf("LoadResult (-want +got):\n%s", diff)
	}
}

func TestBetween(t *testing.T) {
	r := result(200, 201, 202, 203, 204) // every 200 ms
	moment := func(ms int) time.Time { return at(0, 1).Add(time.Duration(ms) * time.Millisecond) }
	tests := []struct {
		name     string
		from, to int
		want     []int
	}{
		{"all", 0, 1000, []int{200, 201, 202, 203, 204}},
		{"from is in, to is out", 200, 600, []int{201, 202}},
		{"between two", 250, 350, nil},
		{"nothing lasts no time", 200, 200, nil},
		{"backwards", 600, 200, nil},
		{"before", -500, 0, nil},
		{"after", 1000, 2000, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []int
			for _, s := range r.Between(moment(test.from), moment(test.to)).Samples {
				got = append(got, s.Code)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	parts := r.Between(moment(0), moment(400)).Requests() + r.Between(moment(400), moment(1000)).Requests()
	if parts != r.Requests() {
		t.Errorf("two parts have %d requests of %d", parts, r.Requests())
	}
}

func TestQuantile(t *testing.T) {
	codes := make([]int, 100) // 1 to 100 ms
	hundred := result(codes...)
	ten := result(codes[:10]...)
	tests := []struct {
		r    loadgen.Result
		q    float64
		want time.Duration // 0: none
	}{
		{hundred, 0.50, 50},
		{hundred, 0.90, 90},
		{hundred, 0.95, 95},
		{hundred, 0.99, 99},
		{hundred, 0.991, 100},
		{hundred, 1, 100},
		{hundred, 0, 1},
		{hundred, 0.001, 1},
		{hundred, 0.07, 7},
		{hundred, 0.57, 57}, // 0.07*100 > 7 and 0.57*100 < 57
		{ten, 0.50, 5},
		{ten, 0.51, 6},
		{ten, 0.99, 10},
		{result(200), 0, 1},
		{result(200), 0.5, 1},
		{result(200), 1, 1},
		{hundred, -0.01, 0},
		{hundred, 1.01, 0},
		{hundred, math.NaN(), 0},
		{hundred, 99, 0},
	}
	for _, test := range tests {
		got, ok := test.r.Quantile(test.q)
		if got != test.want*time.Millisecond || ok != (test.want > 0) {
			t.Errorf("Quantile(%v) of %d = %s, %t; want %dms", test.q, test.r.Requests(), got, ok, test.want)
		}
	}
	if got, _ := hundred.LagQuantile(0.5); got != 49*time.Microsecond {
		t.Errorf("LagQuantile(0.5) = %s, want 49µs", got)
	}
	if got, ok := hundred.Max(); got != 100*time.Millisecond || !ok {
		t.Errorf("Max = %s, %t", got, ok)
	}
}

// By its definition: at least q of all are at most the quantile, and that is
// so of no smaller one. It must hold in the tails, where estimates go wrong.
func TestQuantileIsExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		r := result(make([]int, 1+random.IntN(500))...)
		for i := range r.Samples {
			r.Samples[i].Latency = time.Millisecond
			if random.IntN(100) == 0 {
				r.Samples[i].Latency = 2*time.Second + time.Duration(random.IntN(1000))
			}
		}
		n := r.Requests()
		rank := 1 + random.IntN(n)
		got, _ := r.Quantile(float64(rank) / float64(n))
		atMost, below := 0, 0
		for _, s := range r.Samples {
			if s.Latency <= got {
				atMost++
			}
			if s.Latency < got {
				below++
			}
		}
		if atMost < rank || below >= rank {
			t.Fatalf("rank %d of %d: %s, but %d are at most that and %d below", rank, n, got, atMost, below)
		}
	}
}

func TestResultIsNotChangedByItsMethods(t *testing.T) {
	r := result(503, 200, 0)
	slices.Reverse(r.Samples) // largest latency first: sorting would show
	want := slices.Clone(r.Samples)
	_, _ = r.Quantile(0.5)
	_, _ = r.LagQuantile(0.5)
	_ = r.String()
	clear(r.Between(at(0, 1), at(1, 1)).Samples)
	if diff := cmp.Diff(want, r.Samples); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func TestString(t *testing.T) {
	half := result(make([]int, 1000)...)
	for i := range half.Samples {
		half.Samples[i].Code = 200
		if i%2 == 1 {
			half.Samples[i].Code = 503
		}
		half.Samples[i].Latency -= time.Millisecond
	}
	refused := result(200, 0, 0, 0)
	refused.Samples[1].Err = "a\nb"
	refused.Samples[2].Err = "connection refused"
	refused.Samples[3].Err = "connection refused"
	almost := result(make([]int, 100_000)...)
	for i := range almost.Samples {
		almost.Samples[i].Code = 200
		almost.Samples[i].Latency = 1234567 * time.Nanosecond
	}
	almost.Samples[7].Code = 500
	one := result(200)
	one.Samples[0].Latency = 61*time.Second + 6*time.Millisecond
	tests := []struct {
		r    loadgen.Result
		want string
	}{
		{loadgen.Result{}, "no requests"},
		{one, "1 request, 100.0% ok (200 ×1), p50 1m1s, p99 1m1s"},
		{half, "1000 requests, 50.0% ok (200 ×500, 503 ×500), p50 499ms, p99 989ms"},
		{result(200, 200, 503), "3 requests, 66.7% ok (200 ×2, 503 ×1), p50 2ms, p99 3ms"},
		{result(0), "1 request, 0.0% ok (no answer ×1), p50 1ms, p99 1ms"},
		{refused, "4 requests, 25.0% ok (200 ×1, no answer ×3: connection refused), p50 2ms, p99 4ms"},
		{almost, "100000 requests, 99.999% ok (200 ×99999, 500 ×1), p50 1.23ms, p99 1.23ms"},
	}
	for _, test := range tests {
		for name, got := range map[string]string{
			"String": test.r.String(), "GomegaString": test.r.GomegaString(), "%v": fmt.Sprint(test.r),
		} {
			if got != test.want {
				t.Errorf("%s = %q, want %q", name, got, test.want)
			}
		}
	}
}

func TestMostInFlight(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	sample := func(due, left, ended int) loadgen.Sample { // in milliseconds
		return loadgen.Sample{
			Intended: at.Add(time.Duration(due) * time.Millisecond),
			Lag:      time.Duration(left-due) * time.Millisecond, Latency: time.Duration(ended-due) * time.Millisecond,
		}
	}
	for want, samples := range [][]loadgen.Sample{
		nil,
		{sample(0, 0, 10), sample(5, 10, 20), sample(6, 20, 30)}, // each waited for the one before
		{sample(0, 0, 10), sample(5, 9, 20), sample(6, 20, 30)},
		{sample(0, 0, 100), sample(1, 1, 50), sample(2, 30, 40), sample(3, 50, 60)},
	} {
		if got := (loadgen.Result{Samples: samples}).MostInFlight(); got != want {
			t.Errorf("%v: %d, want %d", samples, got, want)
		}
	}
}
