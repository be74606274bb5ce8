// Package claim says what a matcher asserts, in a form that can be reasoned about
// before anything was measured: whether a fault can answer the question, and how
// many requests the answer takes.
package claim

import (
	"math"
	"time"
)

// Kind is what a claim is about.
type Kind string

// The kinds of claims; each is named as in YAML.
const (
	SuccessRate Kind = "successRate" // share of requests with a 2xx or 3xx
	Latency     Kind = "latency"     // a quantile of the latency, in seconds
	Status      Kind = "status"      // share of requests with one status
	Tries       Kind = "tries"       // requests at a service for each request of the load
	Ejected     Kind = "ejected"     // hosts taken out
	Readmitted  Kind = "readmitted"  // hosts taken back
	TimedOut    Kind = "timedOut"    // answers with 504, in time
	Delayed     Kind = "delayed"     // share of requests that took at least so long
	Split       Kind = "split"       // share of a service's requests in a subset
)

// Claim is what one matcher asserts.
type Claim struct {
	Kind     Kind
	Service  string        // as the matcher names it; empty for claims about the load
	Subset   string        // of a Split
	Range    Range         // that the measured value must lie in
	Quantile float64       // of a Latency, 0-1
	Code     int           // of a Status; 0 stands for no answer
	Within   time.Duration // of a TimedOut; of a Delayed, how long at least
	Samples  int           // how many requests it takes at least to judge it, see [Claim.Needed]
}

// Range is a closed range of numbers: shares are from 0 to 1, latencies in
// seconds.
type Range struct{ Low, High float64 }

// Any is the range that holds every number: nothing is known of the bound.
func Any() Range { return Range{math.Inf(-1), math.Inf(1)} }

// AtLeast is the range of x and more.
func AtLeast(x float64) Range { return Range{x, math.Inf(1)} }

// AtMost is the range of x and less.
func AtMost(x float64) Range { return Range{math.Inf(-1), x} }

// Has reports whether x lies in r.
func (r Range) Has(x float64) bool { return r.Low <= x && x <= r.High }
