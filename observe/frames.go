package observe

import (
	"encoding/binary"
	"net"
)

// frames is a connection that sends each SPDY frame at once. SPDY's own code writes
// a frame in three pieces, each of which would become a websocket message, a TLS
// record and a system call of its own. It writes one frame at a time.
type frames struct {
	net.Conn
	pending []byte // the frame that is not whole yet
}

// Write takes a part of a frame and sends what is whole.
func (f *frames) Write(p []byte) (int, error) {
	f.pending = append(f.pending, p...)
	whole := 0
	for {
		size, known := frameSize(f.pending[whole:])
		if !known || len(f.pending)-whole < size {
			break
		}
		whole += size
	}
	if whole == 0 {
		return len(p), nil
	}
	_, err := f.Conn.Write(f.pending[:whole])
	f.pending = append(f.pending[:0], f.pending[whole:]...)
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// frameSize returns how long a frame is that begins so: control and data frames
// both have their length in the last three bytes of an eight byte head.
func frameSize(begin []byte) (int, bool) {
	const head = 8
	if len(begin) < head {
		return 0, false
	}
	const length = 1<<24 - 1
	return head + int(binary.BigEndian.Uint32(begin[4:])&length), true
}
