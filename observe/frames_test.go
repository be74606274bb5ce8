package observe

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"github.com/moby/spdystream/spdy"
)

// written is a connection that takes down what is written at once.
type written struct {
	net.Conn
	writes [][]byte
	err    error
}

func (w *written) Write(p []byte) (int, error) {
	w.writes = append(w.writes, bytes.Clone(p))
	return len(p), w.err
}

func TestFramesAreWrittenAtOnce(t *testing.T) {
	peer := &written{}
	framer, err := spdy.NewFramer(&frames{Conn: peer}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	sent := []spdy.Frame{
		&spdy.DataFrame{StreamId: 1, Data: bytes.Repeat([]byte("x"), 70_000)},
		&spdy.DataFrame{StreamId: 1, Flags: spdy.DataFlagFin},
		&spdy.PingFrame{Id: 7},
		&spdy.SynStreamFrame{StreamId: 3, Headers: map[string][]string{"port": {"15000"}}},
		&spdy.RstStreamFrame{StreamId: 3, Status: spdy.Cancel},
	}
	var all bytes.Buffer
	for n, frame := range sent {
		if err := framer.WriteFrame(frame); err != nil {
			t.Fatal(err)
		}
		if len(peer.writes) != n+1 {
			t.Fatalf("%d writes after %d frames", len(peer.writes), n+1)
		}
		all.Write(peer.writes[n])
	}
	reader, err := spdy.NewFramer(&bytes.Buffer{}, &all)
	if err != nil {
		t.Fatal(err)
	}
	for range sent {
		if _, err := reader.ReadFrame(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFramesInAnyPieces(t *testing.T) {
	peer := &written{}
	f := &frames{Conn: peer}
	stream := []byte("\x00\x00\x00\x01\x00\x00\x00\x02ab\x80\x03\x00\x06\x00\x00\x00\x01c")
	for _, one := range stream {
		if n, err := f.Write([]byte{one}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(peer.writes) != 2 || !bytes.Equal(bytes.Join(peer.writes, nil), stream) {
		t.Errorf("writes %q", peer.writes)
	}
	peer.writes = nil
	if n, err := f.Write(append(stream, stream[:9]...)); n != len(stream)+9 || err != nil || len(peer.writes) != 1 || !bytes.Equal(peer.writes[0], stream) {
		t.Errorf("several at once: %d, %v, %q", n, err, peer.writes)
	}
	peer.err = errors.New("gone")
	if _, err := f.Write(stream[9:]); !errors.Is(err, peer.err) {
		t.Errorf("error %v, want %v", err, peer.err)
	}
}
