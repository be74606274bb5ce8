package observe

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/streaming/pkg/httpstream"
)

// adminPort is where Envoy's admin listens in every Istio Pod.
const adminPort = "15000"

// errLost is the error of a stream whose port-forward broke.
var errLost = errors.New("lost the port-forward")

// forward is a port-forward to one Pod: a tunnel whose
// streams are pairs of streams of one SPDY connection, one for the data and one
// on which the kubelet says why there is none.
type forward struct {
	spdy  httpstream.Connection
	raw   io.Closer    // what spdy runs on
	pairs atomic.Int64 // opened so far

	mu      sync.Mutex           // guards the next three
	gone    chan struct{}        // closed when the connection is gone
	streams map[*stream]struct{} // open ones; not added to any more once gone is closed
	running sync.WaitGroup       // the same
}

var _ tunnel = (*forward)(nil)

func newForward(spdy httpstream.Connection, raw io.Closer) *forward {
	f := &forward{spdy: spdy, raw: raw, gone: make(chan struct{}), streams: map[*stream]struct{}{}}
	f.running.Go(func() {
		<-spdy.CloseChan()
		f.end()
		// SPDY closes what it runs on after a polite good-bye only.
		_ = raw.Close()
	})
	return f
}

func (f *forward) lost() <-chan struct{} { return f.gone }

// end says that the connection is gone.
func (f *forward) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !isClosed(f.gone) {
		close(f.gone)
	}
}

// close cuts the connection below SPDY. SPDY's own Close says good-bye first,
// and a peer that does not read would hold that up for ever.
func (f *forward) close() {
	f.end()
	_ = f.raw.Close()
	f.mu.Lock()
	streams := slices.Collect(maps.Keys(f.streams))
	f.mu.Unlock()
	for _, s := range streams {
		_ = s.Close() // SPDY waits until what has come is read
	}
	f.running.Wait()
}

// open begins a pair of streams.
func (f *forward) open(ctx context.Context, port string) (net.Conn, error) {
	ctx, stop := until(ctx, f.gone, errLost)
	defer stop()
	id := strconv.FormatInt(f.pairs.Add(1), 10)
	words, err := f.create(ctx, corev1.StreamTypeError, port, id)
	if err != nil {
		return nil, err
	}
	_ = words.Close() // nothing is ever written to it
	data, err := f.create(ctx, corev1.StreamTypeData, port, id)
	s := &stream{forward: f, data: data, words: words, ended: make(chan struct{})}
	if err := f.add(s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err != nil { // the kubelet may have refused before it agreed
		return nil, errors.Join(s.explain(err), s.Close())
	}
	return s, nil
}

// add begins to listen to the words of s, unless the connection is gone.
func (f *forward) add(s *stream) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if isClosed(f.gone) {
		return errLost
	}
	f.streams[s] = struct{}{}
	f.running.Go(s.listen)
	return nil
}

// create begins one stream of a pair. SPDY waits up to 30 seconds for the
// peer to agree, whatever happens to the connection; create does not.
func (f *forward) create(ctx context.Context, kind, port, id string) (httpstream.Stream, error) {
	header := http.Header{}
	header.Set(corev1.StreamType, kind)
	header.Set(corev1.PortHeader, port)
	header.Set(corev1.PortForwardRequestIDHeader, id)
	return await(ctx, func() (httpstream.Stream, error) { return f.spdy.CreateStream(header) }, f.remove)
}

// remove ends both directions of a stream and forgets it.
func (f *forward) remove(s httpstream.Stream) {
	_ = s.Reset()
	f.spdy.RemoveStreams(s)
}

// refusedError is what the kubelet says when it cannot reach the port.
type refusedError struct{ words string }

func (e *refusedError) Error() string { return e.words }

// stream is one pair of streams as a connection.
type stream struct {
	unaddressed
	forward *forward
	data    httpstream.Stream // nil: not agreed to
	words   httpstream.Stream // what the kubelet has to say
	ended   chan struct{}     // closed when the kubelet will say no more
	refusal error             // to be read after ended
	closing sync.Once
}

// listen waits for the words of the kubelet, which mean that there will be no
// data.
func (s *stream) listen() {
	const most = 4 << 10
	words, _ := io.ReadAll(io.LimitReader(s.words, most))
	if len(words) > 0 {
		s.refusal = &refusedError{words: string(words)}
	}
	close(s.ended)
	if s.refusal != nil && s.data != nil {
		_ = s.data.Reset()
	}
	// What nobody reads of one stream holds up all others.
	_, _ = io.Copy(io.Discard, s.words)
}

// wordsGrace is how long the words of the kubelet may come after the end of
// the data: the two streams have no order between them.
const wordsGrace = 250 * time.Millisecond

// explain returns the words of the kubelet, or err if it has none.
func (s *stream) explain(err error) error {
	grace := time.NewTimer(wordsGrace)
	defer grace.Stop()
	select {
	case <-s.ended:
		if s.refusal != nil {
			return s.refusal
		}
	case <-s.forward.gone:
	case <-grace.C:
	}
	return err
}

// Read reads what Envoy sent. At the end it returns the words of the kubelet,
// if there are any.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.data.Read(p)
	if errors.Is(err, io.EOF) {
		err = s.explain(err)
	}
	return n, err
}

// Write sends p to Envoy.
func (s *stream) Write(p []byte) (int, error) { return s.data.Write(p) }

// Close ends the stream in both directions and unblocks Read.
func (s *stream) Close() error {
	s.closing.Do(func() {
		if s.data != nil {
			s.forward.remove(s.data)
		}
		s.forward.remove(s.words)
		s.forward.mu.Lock()
		defer s.forward.mu.Unlock()
		delete(s.forward.streams, s)
	})
	return nil
}

// unaddressed is the part of a net.Conn that a stream of bytes through other
// programs does not have. What uses it here needs neither.
type unaddressed struct{}

func (unaddressed) Network() string                  { return "portforward" }
func (unaddressed) String() string                   { return "portforward" }
func (u unaddressed) LocalAddr() net.Addr            { return u }
func (u unaddressed) RemoteAddr() net.Addr           { return u }
func (unaddressed) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (unaddressed) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (unaddressed) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
