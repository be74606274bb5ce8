package loadgen

import (
	"context"
	"net"
	"syscall"
	"testing"
)

// A transport dials with a context that outlives the request; see that the end
// of either the run or the request ends the dial.
func TestDialEndsWithTheRunAndTheRequest(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	nothing := func() {}
	tests := []struct {
		name string
		end  func(run, request context.CancelFunc) context.CancelFunc
		ends bool
	}{
		{"nothing ends", func(_, _ context.CancelFunc) context.CancelFunc { return nothing }, false},
		{"the run ends", func(run, _ context.CancelFunc) context.CancelFunc { return run }, true},
		{"the request ends", func(_, request context.CancelFunc) context.CancelFunc { return request }, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			run, cancelRun := context.WithCancel(t.Context())
			defer cancelRun()
			request, cancelRequest := context.WithCancel(t.Context())
			defer cancelRequest()
			d := dialer{ctx: run, connectTo: listener.Addr().String()}
			// Called within the dial, which goes on when this returns.
			d.ControlContext = func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
				test.end(cancelRun, cancelRequest)()
				if test.ends {
					<-ctx.Done()
				}
				return nil
			}
			conn, err := d.dial(request, "tcp", "shop.example:80")
			if err == nil {
				_ = conn.Close()
			}
			if (err != nil) != test.ends {
				t.Errorf("dial = %v", err)
			}
		})
	}
}
