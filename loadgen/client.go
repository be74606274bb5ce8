package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// newClient returns a client for l, whose zero values have been replaced. All
// it does ends with ctx. The returned transport is to be closed by
// CloseIdleConnections.
func newClient(ctx context.Context, l Load) (*http.Client, *http.Transport) {
	transport := &http.Transport{
		// No Proxy: the load has to pass the mesh, and nothing else.
		DialContext:         dialer{ctx: ctx, connectTo: l.ConnectTo}.dial,
		ForceAttemptHTTP2:   true, // own dialers turn it off; only TLS can negotiate it
		MaxIdleConnsPerHost: l.MaxInFlight,
		DisableCompression:  true, // bodies are thrown away
	}
	client := &http.Client{
		Transport: boundTransport{ctx: ctx, timeout: l.Timeout, next: transport},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	return client, transport
}

// dialer opens connections, to connectTo if there is one. A transport lets a
// dial go on when the request that wanted it has ended; ctx ends it all the same.
type dialer struct {
	net.Dialer
	ctx       context.Context
	connectTo string
}

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	if d.connectTo != "" {
		address = d.connectTo
	}
	return d.DialContext(ctx, network, address)
}

// boundTransport gives each request the context of the run, which vegeta has
// no way to do, and its timeout.
type boundTransport struct {
	ctx     context.Context
	timeout time.Duration
	next    http.RoundTripper
}

func (t boundTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeoutCause(t.ctx, t.timeout, fmt.Errorf("no full answer within %s", t.timeout))
	resp, err := t.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		defer cancel()
		return nil, causeOf(ctx, err)
	}
	resp.Body = boundBody{ReadCloser: resp.Body, ctx: ctx, cancel: cancel}
	return resp, nil
}

// boundBody ends its request's context when it is closed, not before: until
// then the context is what can cut off an answer that never ends.
type boundBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelFunc
}

func (b boundBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = causeOf(b.ctx, err)
	}
	return n, err
}

func (b boundBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// causeOf returns why ctx ended, or err if it has not.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
