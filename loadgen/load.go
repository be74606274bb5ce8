package loadgen

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What the zero values of [Load] stand for.
const (
	// DefaultRate is how many requests a second are sent when Rate is zero.
	DefaultRate = 50.0
	// DefaultTimeout is how long an answer may take when Timeout is zero.
	DefaultTimeout = 10 * time.Second
	// DefaultMaxInFlight is how many requests may wait for their answer at once
	// when MaxInFlight is zero.
	DefaultMaxInFlight = 200
)

// Load says which requests to send, and how often. Only URL is required. A Load
// is plain data: it may be copied, and one value may run many times, also at once.
type Load struct {
	URL         string            // where requests go, http or https; required
	ConnectTo   string            // host:port to dial in place of the URL's; empty: the URL's own (as curl --connect-to)
	Method      string            // GET when empty
	Header      map[string]string // sent with every request; "Host" replaces the URL's host in the Host header
	Body        string            // sent with every request; empty: none
	Rate        float64           // requests per second; DefaultRate when zero
	Duration    time.Duration     // how long the schedule is; zero: until the context ends
	Timeout     time.Duration     // of each request, from its sending to the end of its answer; DefaultTimeout when zero
	MaxInFlight int               // how many requests may be on their way at once; DefaultMaxInFlight when zero
}

// Validate reports everything that keeps l from being run, each problem on its
// own line and headed by its field, or nil.
func (l Load) Validate() error {
	problems := []error{checkURL(l.URL), checkConnectTo(l.ConnectTo)}
	if l.Method != "" && !isToken(l.Method) {
		problems = append(problems, fmt.Errorf("method: %q is no HTTP method", l.Method))
	}
	problems = append(problems, checkHeader(l.Header)...)
	if math.IsNaN(l.Rate) || math.IsInf(l.Rate, 0) || l.Rate < 0 {
		problems = append(problems, fmt.Errorf("rate: %v is not a positive number of requests per second", l.Rate))
	}
	if l.Duration < 0 {
		problems = append(problems, fmt.Errorf("duration: %s is negative", l.Duration))
	}
	if l.Timeout < 0 {
		problems = append(problems, fmt.Errorf("timeout: %s is negative", l.Timeout))
	}
	if l.MaxInFlight < 0 {
		problems = append(problems, fmt.Errorf("maxInFlight: %d is negative", l.MaxInFlight))
	}
	return errors.Join(problems...)
}

// withDefaults replaces the zero values that stand for something else.
func (l Load) withDefaults() Load {
	if l.Method == "" {
		l.Method = http.MethodGet
	}
	if l.Rate == 0 {
		l.Rate = DefaultRate
	}
	if l.Timeout == 0 {
		l.Timeout = DefaultTimeout
	}
	if l.MaxInFlight == 0 {
		l.MaxInFlight = DefaultMaxInFlight
	}
	return l
}

func checkURL(text string) error {
	if text == "" {
		return errors.New("url: is required, as in http://shop.example/checkout")
	}
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("url: %q begins with neither http:// nor https://", text)
	}
	if u.Hostname() == "" {
		return fmt.Errorf("url: %q names no host", text)
	}
	if port := u.Port(); port != "" && !isPort(port) {
		return fmt.Errorf("url: %q is no port", port)
	}
	return nil
}

func checkConnectTo(address string) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || !isPort(port) {
		return fmt.Errorf("connectTo: %q is not host:port", address)
	}
	return nil
}

// checkHeader finds what net/http would refuse at every single request, and
// names that differ only in case, of which one would get lost.
func checkHeader(header map[string]string) []error {
	var problems []error
	names := make(map[string]string, len(header))
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if !isToken(name) {
			problems = append(problems, fmt.Errorf("header: %q is no header name", name))
			continue
		}
		if strings.ContainsFunc(header[name], isControl) {
			problems = append(problems, fmt.Errorf("header: the value of %s has a control character in it", name))
		}
		canonical := http.CanonicalHeaderKey(name)
		if other, taken := names[canonical]; taken {
			problems = append(problems, fmt.Errorf("header: %s and %s are the same header", other, name))
		}
		names[canonical] = name
	}
	return problems
}

// isToken reports whether s is a token of RFC 9110, as methods and header names are.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func isPort(s string) bool {
	port, err := strconv.ParseUint(s, 10, 16)
	return err == nil && port > 0
}
