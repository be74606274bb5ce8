package crash

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// call is one request to the API server, without its query.
type call struct {
	method, resource, name string
}

// String returns "PUT virtualservices/payments".
func (c call) String() string { return strings.TrimSuffix(c.method+" "+c.resource+"/"+c.name, "/") }

func callOf(q *http.Request) call {
	_, rest, found := strings.Cut(q.URL.Path, "/namespaces/")
	if !found {
		return call{q.Method, q.URL.Path, ""}
	}
	parts := append(strings.Split(rest, "/"), "", "") // namespace, resource, name
	return call{q.Method, parts[1], parts[2]}
}

// isBackground says whether a call is one that runs make by the clock, and not
// as a step of inject or revert.
func (c call) isBackground() bool {
	return c.resource == "leases" && (c.method == http.MethodPut || c.method == http.MethodPatch)
}

// trouble is what a request meets. send is the way to the API server, and may be
// used or not.
type trouble struct {
	name    string
	meet    func(t *troubled, q *http.Request, send http.RoundTripper) (*http.Response, error)
	meddles bool // a user does something to the object that is asked for
	writes  bool // it differs from another one only for calls that write
	once    bool // it makes no sense, or no difference to another, that it lasts
}

func justOnce(t trouble) trouble {
	t.once = true
	return t
}

// troubled is a transport that makes one of its calls meet trouble, and with
// lasting all that follow.
type troubled struct {
	next  http.RoundTripper
	scene *scene         // where users are
	late  sync.WaitGroup // requests that are still on their way

	mu      sync.Mutex
	calls   []call // since it was armed
	armed   bool
	at      int
	lasting bool
	trouble trouble
	cancel  context.CancelFunc // gives up what is under way
}

// arm makes the transport count from 0, and the call number at meet trouble.
func (t *troubled) arm(at int, what trouble, lasting bool, cancel context.CancelFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls, t.armed, t.at, t.trouble, t.lasting, t.cancel = nil, true, at, what, lasting, cancel
}

// disarm ends the trouble and returns the calls since arm.
func (t *troubled) disarm() []call {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armed = false
	return t.calls
}

// RoundTrip sends the request on, or lets it meet trouble.
func (t *troubled) RoundTrip(q *http.Request) (*http.Response, error) {
	t.mu.Lock()
	this := callOf(q)
	n := len(t.calls)
	if t.armed && !this.isBackground() {
		t.calls = append(t.calls, this)
	}
	hit := t.armed && t.trouble.meet != nil && (n == t.at && !this.isBackground() || n > t.at && t.lasting)
	t.mu.Unlock()
	if !hit {
		return t.next.RoundTrip(q)
	}
	return t.trouble.meet(t, q, t.next)
}

// answer is the API server's refusal.
func answer(code int, reason string, header ...string) trouble {
	name := fmt.Sprint(code, " ", reason)
	return trouble{name: name, meet: func(_ *troubled, q *http.Request, _ http.RoundTripper) (*http.Response, error) {
		return refusal(q, code, reason, header...), nil
	}}
}

func refusal(q *http.Request, code int, reason string, header ...string) *http.Response {
	resp := &http.Response{
		StatusCode: code, Status: fmt.Sprint(code, " ", http.StatusText(code)), Request: q, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure",
			"message":"trouble made by a test","reason":%q,"code":%d}`, reason, code))),
	}
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

// timedOut is what a client sees when nobody answers.
type timedOut struct{}

func (timedOut) Error() string   { return "no answer: made by a test" }
func (timedOut) Timeout() bool   { return true }
func (timedOut) Temporary() bool { return true }

var errReset = &os.SyscallError{Syscall: "read", Err: syscall.ECONNRESET}

// lost loses a request on its way, or with done the answer to it.
func lost(name string, err error, done bool) trouble {
	return trouble{name: name, writes: done, meet: func(_ *troubled, q *http.Request, send http.RoundTripper) (*http.Response, error) {
		if done {
			if err := perform(q, send); err != nil {
				return nil, err
			}
		}
		return nil, err
	}}
}

// perform sends a request and throws the answer away.
func perform(q *http.Request, send http.RoundTripper) error {
	resp, err := send.RoundTrip(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// late answers nothing, and lets the request arrive only after that.
func late(delay time.Duration) trouble {
	return trouble{
		writes: true,
		name:   "timeout, takes effect " + delay.String() + " later",
		meet: func(t *troubled, q *http.Request, send http.RoundTripper) (*http.Response, error) {
			body, err := bodyOf(q)
			if err != nil {
				return nil, err
			}
			q = q.Clone(context.WithoutCancel(q.Context()))
			q.Body = io.NopCloser(bytes.NewReader(body))
			t.late.Add(1)
			time.AfterFunc(delay, func() {
				defer t.late.Done()
				_ = perform(q, send) // whatever comes of it
			})
			return nil, timedOut{}
		},
	}
}

func bodyOf(q *http.Request) ([]byte, error) {
	if q.Body == nil {
		return nil, nil
	}
	return io.ReadAll(q.Body)
}

// troubles are the ways in which a call can go wrong.
var troubles = []trouble{
	answer(http.StatusConflict, "Conflict"),
	answer(http.StatusTooManyRequests, "TooManyRequests", "Retry-After", "1"),
	answer(http.StatusInternalServerError, "InternalError"),
	answer(http.StatusServiceUnavailable, "ServiceUnavailable"),
	answer(http.StatusUnauthorized, "Unauthorized"),
	answer(http.StatusForbidden, "Forbidden"),
	lost("timeout before", timedOut{}, false),
	justOnce(lost("reset before", errReset, false)),
	lost("timeout after it took effect", timedOut{}, true),
	justOnce(lost("reset after it took effect", errReset, true)),
	justOnce(late(200 * time.Millisecond)),
	{name: "500 after it took effect", writes: true, once: true, meet: func(_ *troubled, q *http.Request, send http.RoundTripper) (*http.Response, error) {
		if err := perform(q, send); err != nil {
			return nil, err
		}
		return refusal(q, http.StatusInternalServerError, "InternalError"), nil
	}},
	{name: "answer cut", once: true, meet: func(_ *troubled, q *http.Request, send http.RoundTripper) (*http.Response, error) {
		resp, err := send.RoundTrip(q)
		if err == nil {
			resp.Body = &struct {
				io.Reader
				io.Closer
			}{io.MultiReader(io.LimitReader(resp.Body, 10), failing{errReset}), resp.Body}
		}
		return resp, err
	}},
	{name: "never answered", once: true, meet: func(_ *troubled, q *http.Request, _ http.RoundTripper) (*http.Response, error) {
		<-q.Context().Done()
		return nil, context.Cause(q.Context())
	}},
	{name: "404 of a proxy on the way", meet: func(_ *troubled, q *http.Request, _ http.RoundTripper) (*http.Response, error) {
		resp := refusal(q, http.StatusNotFound, "NotFound")
		resp.Header.Set("Content-Type", "text/html")
		resp.Body = io.NopCloser(strings.NewReader("<h1>404 page not found</h1>"))
		return resp, nil
	}},
	{name: "given up before", once: true, meet: func(t *troubled, q *http.Request, _ http.RoundTripper) (*http.Response, error) {
		t.cancel()
		return nil, context.Canceled
	}},
	{name: "given up after it took effect", writes: true, once: true, meet: func(t *troubled, q *http.Request, send http.RoundTripper) (*http.Response, error) {
		if err := perform(q, send); err != nil {
			return nil, err
		}
		t.cancel()
		return nil, context.Canceled
	}},
}

type failing struct{ err error }

// Read fails.
func (f failing) Read([]byte) (int, error) { return 0, f.err }
