package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	portforwardconst "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/websocket"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// pingPeriod keeps balancers on the way from taking a held port-forward for
// idle.
const pingPeriod = 5 * time.Second

// upgrader makes port-forwards through the API server: SPDY in a websocket, as
// kubectl prefers it, or plain SPDY where the API server or something before
// it does not let websockets through. Safe for concurrent use.
type upgrader struct {
	cfg       *rest.Config
	base      *url.URL          // of the API
	transport http.RoundTripper // HTTP/1.1: HTTP/2 has no upgrades
	spdyOnly  atomic.Bool       // a websocket was refused where SPDY was not
}

func newUpgrader(cfg *rest.Config) (*upgrader, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.NextProtos = []string{"http/1.1"}
	base, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(cfg)
	if err != nil {
		return nil, err
	}
	return &upgrader{cfg: cfg, base: base, transport: transport}, nil
}

// closeIdle closes the connections that requests for an upgrade left behind.
// A transport that was wrapped by somebody who hides it keeps them.
func (u *upgrader) closeIdle() {
	for transport := u.transport; transport != nil; {
		switch t := transport.(type) {
		case interface{ CloseIdleConnections() }:
			t.CloseIdleConnections()
			return
		case utilnet.RoundTripperWrapper:
			transport = t.WrappedRoundTripper()
		default:
			return
		}
	}
}

// dial makes the port-forward to p.
func (u *upgrader) dial(ctx context.Context, p Proxy) (tunnel, error) {
	if u.spdyOnly.Load() {
		return u.dialSPDY(ctx, p)
	}
	made, err := u.dialWebsocket(ctx, p)
	if err == nil || ctx.Err() != nil {
		return made, err
	}
	refused := httpstream.IsUpgradeFailure(err)
	made, err = u.dialSPDY(ctx, p)
	if err == nil && refused {
		u.spdyOnly.Store(true)
	}
	return made, err
}

func (u *upgrader) url(p Proxy) string {
	return u.base.JoinPath("api/v1/namespaces", p.Namespace, "pods", p.Pod, "portforward").String()
}

// dialWebsocket does not leave waiting to the websocket library, which sees
// the deadline of a context but not its cancel.
func (u *upgrader) dialWebsocket(ctx context.Context, p Proxy) (tunnel, error) {
	upgrade, holder, err := websocket.RoundTripperFor(u.cfg)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url(p), nil)
	if err != nil {
		return nil, err
	}
	conn, err := await(ctx, func() (net.Conn, error) {
		socket, err := websocket.Negotiate(upgrade, holder, request,
			portforwardconst.WebsocketsSPDYTunnelingPrefix+portforward.PortForwardProtocolV1Name)
		if err != nil {
			return nil, err
		}
		return portforward.NewTunnelingConnection("faultline", socket), nil
	}, func(late net.Conn) { _ = late.Close() })
	if err != nil {
		return nil, err
	}
	return speakSPDY(conn)
}

// dialSPDY upgrades with client-go's ordinary transport, which hands out the
// connection of an upgraded request as the body of its answer. Unlike the
// upgrade of client-go itself, this ends with ctx.
func (u *upgrader) dialSPDY(ctx context.Context, p Proxy) (tunnel, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.url(p), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set(httpstream.HeaderConnection, httpstream.HeaderUpgrade)
	request.Header.Set(httpstream.HeaderUpgrade, spdy.HeaderSpdy31)
	request.Header.Set(httpstream.HeaderProtocolVersion, portforward.PortForwardProtocolV1Name)
	response, err := u.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return nil, refusedUpgrade(response)
	}
	raw, ok := response.Body.(io.ReadWriteCloser)
	if !ok {
		return nil, errors.Join(errors.New("the transport does not hand out upgraded connections"), response.Body.Close())
	}
	return speakSPDY(&onceClosed{ReadWriteCloser: raw})
}

// refusedUpgrade says why the API server did not upgrade: its Status if it
// sent one, so that apierrors.IsNotFound and the like work.
func refusedUpgrade(response *http.Response) error {
	body, err := readBody(response.Body, maxBody)
	if err != nil {
		return fmt.Errorf("port-forward: answered %s: %w", response.Status, err)
	}
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" {
		return &apierrors.StatusError{ErrStatus: status}
	}
	return fmt.Errorf("port-forward: %w", &statusError{status: response.Status, body: body})
}

func speakSPDY(conn net.Conn) (tunnel, error) {
	connection, err := spdy.NewClientConnectionWithPings(&frames{Conn: conn}, pingPeriod)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return newForward(connection, conn), nil
}

// onceClosed is an upgraded connection that may be closed by several. Only
// the first is told of an error: SPDY keeps one waiting for a second.
type onceClosed struct {
	unaddressed
	io.ReadWriteCloser
	once sync.Once
}

// Close closes the connection at the first call.
func (c *onceClosed) Close() (err error) {
	c.once.Do(func() { err = c.ReadWriteCloser.Close() })
	return err
}
