package loadgen

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Sample is what became of one request.
type Sample struct {
	Seq      uint64        // number of the request, from 0 in the order of Intended
	Intended time.Time     // when the schedule wanted it sent
	Latency  time.Duration // from Intended to the end of the answer
	Lag      time.Duration // from Intended to the real send; part of Latency
	Code     int           // HTTP status; 0: no answer, or not all of one
	Err      string        // why there is no answer; empty if there is one
	Run      string        // the answer's header x-faultline-run; empty if it has none
}

func bySeq(a, b Sample) int { return cmp.Compare(a.Seq, b.Seq) }

// answered reports whether the server gave a status, good or bad.
func (s Sample) answered() bool { return s.Code != 0 }

// ok reports whether the answer is a success or a redirect.
func (s Sample) ok() bool { return 200 <= s.Code && s.Code < 400 }

// Result is what became of the requests of a load, or of a part of it. The zero
// Result is empty. Its methods change nothing and are safe for concurrent use.
type Result struct {
	Samples []Sample // ordered by Intended
}

// LoadResult returns r, so that whatever accepts a value with a LoadResult
// accepts a Result itself.
func (r Result) LoadResult() Result { return r }

// Between returns the requests intended at or after from and before to.
func (r Result) Between(from, to time.Time) Result {
	var part Result
	for _, s := range r.Samples {
		if !s.Intended.Before(from) && s.Intended.Before(to) {
			part.Samples = append(part.Samples, s)
		}
	}
	return part
}

// Requests returns the number of requests that ended, whichever way.
func (r Result) Requests() int { return len(r.Samples) }

// Count returns how many requests were answered with the status code. Code 0
// counts those without an answer.
func (r Result) Count(code int) int {
	return r.count(func(s Sample) bool { return s.Code == code })
}

// Codes returns how many requests were answered with each status, those without
// an answer under 0. It is never nil.
func (r Result) Codes() map[int]int {
	codes := map[int]int{}
	for _, s := range r.Samples {
		codes[s.Code]++
	}
	return codes
}

// Marked returns how many answers carry x-faultline-run: run. No answer is
// marked with the empty run.
func (r Result) Marked(run string) int {
	return r.count(func(s Sample) bool { return s.answered() && run != "" && s.Run == run })
}

// SuccessRate returns the share of requests, from 0 to 1, that were answered
// with a 2xx or 3xx. It reports false if there were no requests.
func (r Result) SuccessRate() (float64, bool) {
	if len(r.Samples) == 0 {
		return 0, false
	}
	return float64(r.count(Sample.ok)) / float64(len(r.Samples)), true
}

// Quantile returns the smallest latency that at least the share q of all
// requests did not exceed: 0.5 gives the median, 0 the smallest, 1 the largest.
// It is exact, one of the latencies measured. Requests without an answer count
// with the time until they were given up. It reports false if there were no
// requests or q is not between 0 and 1.
func (r Result) Quantile(q float64) (time.Duration, bool) {
	return quantile(r.latencies(), q)
}

// Max returns the largest latency. It reports false if there were no requests.
func (r Result) Max() (time.Duration, bool) { return r.Quantile(1) }

// LagQuantile is [Result.Quantile] for Lag: how late requests left. Where it is
// large the sender was too slow or [Load.MaxInFlight] too small, and the latency
// says as much about the sender as about the target.
func (r Result) LagQuantile(q float64) (time.Duration, bool) {
	lags := make([]time.Duration, len(r.Samples))
	for i, s := range r.Samples {
		lags[i] = s.Lag
	}
	slices.Sort(lags)
	return quantile(lags, q)
}

// MostInFlight returns how many requests at most were on their way at once. Where
// that is [Load.MaxInFlight], others had to wait for them, and left late.
func (r Result) MostInFlight() int {
	type event struct {
		at   time.Time
		step int
	}
	events := make([]event, 0, 2*len(r.Samples))
	for _, s := range r.Samples {
		events = append(events, event{s.Intended.Add(s.Lag), 1}, event{s.Intended.Add(s.Latency), -1})
	}
	// Of what happens at the same time the ends come first: their places are free.
	slices.SortFunc(events, func(a, b event) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.step, b.step)) })
	most, now := 0, 0
	for _, e := range events {
		now += e.step
		most = max(most, now)
	}
	return most
}

func (r Result) count(matches func(Sample) bool) int {
	n := 0
	for _, s := range r.Samples {
		if matches(s) {
			n++
		}
	}
	return n
}

// latencies returns all latencies, the smallest first.
func (r Result) latencies() []time.Duration {
	latencies := make([]time.Duration, len(r.Samples))
	for i, s := range r.Samples {
		latencies[i] = s.Latency
	}
	slices.Sort(latencies)
	return latencies
}

// quantile picks from sorted values by nearest rank.
func quantile(sorted []time.Duration, q float64) (time.Duration, bool) {
	if len(sorted) == 0 || !(0 <= q && q <= 1) { // so written that NaN is out, too
		return 0, false
	}
	n := float64(len(sorted))
	// 0.07*100 is a hair above 7: rounding must not push it to the next rank.
	rank := int(math.Ceil(q*n - n*1e-12))
	return sorted[max(rank, 1)-1], true
}
