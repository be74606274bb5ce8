package injector

import (
	"net/http"
	"sync/atomic"
	"time"
)

// serverClock tells the time as the API server has it, so that every machine
// judges the age of a fault alike. Until it has seen an answer of the server
// it tells this machine's time. It is safe for concurrent use.
type serverClock struct {
	ahead atomic.Int64 // nanoseconds that the server is ahead of this machine
}

// now returns the server's time, good to about a second: that is how exactly
// its answers are dated.
func (c *serverClock) now() time.Time {
	return time.Now().Add(time.Duration(c.ahead.Load()))
}

// watch returns a transport that sets the clock by each answer of next.
func (c *serverClock) watch(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			return resp, err
		}
		if dated, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			c.ahead.Store(int64(skew(dated, time.Now())))
		}
		return resp, nil
	})
}

// skew is how far a clock that dated an answer is ahead of here. Less than two
// seconds are taken for none: dates have whole seconds, and answers travel.
func skew(dated, here time.Time) time.Duration {
	d := dated.Sub(here)
	if d.Abs() < 2*time.Second {
		return 0
	}
	return d
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
