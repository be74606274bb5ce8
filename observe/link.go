package observe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// dialTimeout bounds the way through the API server to a Pod.
const dialTimeout = 10 * time.Second

// A tunnel is one held connection to one Pod.
type tunnel interface {
	// open begins a stream of bytes to a port of the Pod. Closing the stream
	// leaves the tunnel up.
	open(ctx context.Context, port string) (net.Conn, error)
	// lost is closed when the connection is gone.
	lost() <-chan struct{}
	// close cuts all streams and waits until the tunnel's goroutines are gone.
	// It may be called twice.
	close()
}

// dialFunc makes the tunnel to a proxy.
type dialFunc func(ctx context.Context, p Proxy) (tunnel, error)

// link speaks HTTP with one port of one Pod, over one tunnel that it holds until
// it breaks. Safe for concurrent use.
type link struct {
	proxy     Proxy
	port      string
	dial      dialFunc
	closed    <-chan struct{} // of the Mesh
	transport *http.Transport
	turn      token  // of whoever may touch held
	held      tunnel // nil before the first read, and when it broke
}

func newLink(closed <-chan struct{}, p Proxy, port string, dial dialFunc) *link {
	l := &link{proxy: p, port: port, dial: dial, closed: closed, turn: newToken()}
	l.transport = &http.Transport{
		DialContext:         l.connect,
		MaxConnsPerHost:     4, // a long config dump must not hold up the counters
		MaxIdleConnsPerHost: 2,
		DisableCompression:  true,
	}
	return l
}

// timeoutError is the cause of a read that ended by its own timeout.
func timeoutError(timeout time.Duration) error {
	return fmt.Errorf("no answer within %s: %w", timeout, context.DeadlineExceeded)
}

// statusError is an answer other than 200: the way to the proxy works.
type statusError struct {
	status string
	body   []byte
}

func (e *statusError) Error() string {
	const most = 200
	return fmt.Sprintf("answered %s: %.*q", e.status, most, e.body)
}

// do asks for path, by GET or a POST that may be repeated, and puts the answer into
// body. If the tunnel turns out to be broken, it tries once more over a new one.
func (l *link) do(ctx context.Context, method, path string, timeout time.Duration, body *bytes.Buffer) error {
	within, cancel := context.WithTimeoutCause(ctx, timeout, timeoutError(timeout)) // Close ends the tunnel, and so the read
	defer cancel()
	for retried := false; ; retried = true {
		used, err := l.try(within, method, path, body)
		_, answered := errors.AsType[*statusError](err)
		switch {
		case err == nil, answered:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case isClosed(l.closed):
			return errClosed
		}
		if used != nil {
			l.drop(used) // also after a timeout: a dead peer does not say that it is
		}
		if within.Err() != nil {
			return context.Cause(within)
		}
		if retried || used == nil {
			return plain(err)
		}
	}
}

// try asks once and says which tunnel it used, if it came to that.
func (l *link) try(ctx context.Context, method, path string, body *bytes.Buffer) (tunnel, error) {
	var used atomic.Pointer[linkConn]
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if conn, ok := info.Conn.(*linkConn); ok {
			used.Store(conn)
		}
	}})
	err := l.roundTrip(ctx, method, path, body)
	if conn := used.Load(); conn != nil {
		return conn.tunnel, err
	}
	return nil, err
}

func (l *link) roundTrip(ctx context.Context, method, path string, body *bytes.Buffer) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:"+l.port+path, nil)
	if err != nil {
		return err
	}
	response, err := l.transport.RoundTrip(request)
	if err != nil {
		return err
	}
	if err := readInto(body, response.Body, maxBody); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return &statusError{status: response.Status, body: bytes.Clone(body.Bytes())}
	}
	return nil
}

// plain takes away what net/http wraps around the words of the kubelet.
func plain(err error) error {
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return refused
	}
	return err
}

// linkConn remembers which tunnel a stream goes through.
type linkConn struct {
	net.Conn
	tunnel tunnel
}

// connect opens a stream for net/http. The context of net/http does not end
// with the request that asked for it, hence the bounds of its own.
func (l *link) connect(ctx context.Context, _, _ string) (net.Conn, error) {
	ctx, stop := until(ctx, l.closed, errClosed)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, timeoutError(dialTimeout))
	defer cancel()
	for retried := false; ; retried = true {
		held, err := l.hold(ctx)
		if err != nil {
			return nil, err
		}
		conn, err := held.open(ctx, l.port)
		if err == nil {
			return &linkConn{Conn: conn, tunnel: held}, nil
		}
		l.drop(held)
		if retried || ctx.Err() != nil {
			return nil, err
		}
	}
}

// hold returns the tunnel, made anew if there is none that works.
func (l *link) hold(ctx context.Context) (tunnel, error) {
	if err := l.turn.take(ctx); err != nil {
		return nil, err
	}
	defer l.turn.release()
	if isClosed(l.closed) {
		return nil, errClosed
	}
	if l.held != nil {
		if !isClosed(l.held.lost()) {
			return l.held, nil
		}
		l.held.close()
		l.held = nil
	}
	made, err := l.dial(ctx, l.proxy)
	if err != nil {
		return nil, err
	}
	l.held = made
	return made, nil
}

// drop closes a tunnel that failed, so that the next read makes a new one. If
// another one is being made already, there is nothing to do.
func (l *link) drop(failed tunnel) {
	select {
	case l.turn <- struct{}{}:
	default:
		return
	}
	if l.held == failed {
		l.held = nil
	}
	l.turn.release()
	failed.close()
}

// close ends the tunnel for good. The Mesh must be closed already, so that
// none is being made for long.
func (l *link) close() {
	l.turn <- struct{}{}
	if l.held != nil {
		l.held.close()
		l.held = nil
	}
	l.turn.release()
	l.transport.CloseIdleConnections()
}
