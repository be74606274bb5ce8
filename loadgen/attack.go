package loadgen

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// runHeader is the response header by which a route with a fault in it tells
// that it answered, and for which run.
const runHeader = "x-faultline-run"

// Running is a load that was started. It ends by itself; there is nothing to
// close. Its methods are safe for concurrent use.
type Running struct {
	schedule schedule
	end      context.CancelFunc // of the schedule, and of nothing that was sent
	done     chan struct{}
	err      error // read after done

	mu      sync.Mutex
	samples []Sample // in the order they ended
}

// Run sends the load and returns what became of it: [Load.Start] and
// [Running.Wait] in one.
func (l Load) Run(ctx context.Context) (Result, error) {
	running, err := l.Start(ctx)
	if err != nil {
		return Result{}, err
	}
	return running.Wait()
}

// Start begins to send and returns at once; the only errors are those of
// [Load.Validate]. The load ends when all requests that the schedule holds for
// its Duration have their answer, or promptly with ctx. Where MaxInFlight made
// requests late, that is later than Duration. Somebody has to end ctx if there
// is no Duration.
func (l Load) Start(ctx context.Context) (*Running, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	l = l.withDefaults()
	ctx, cancel := context.WithCancel(ctx)
	client, transport := newClient(ctx, l)
	// One attacker for one attack: a second one on the same sends next to nothing.
	// Nobody calls its Stop, which would wait for the requests in flight; at the
	// end of ctx the pacer stops and the client cuts.
	attacker := vegeta.NewAttacker(
		vegeta.Client(client),
		vegeta.MaxWorkers(uint64(l.MaxInFlight)),
		vegeta.MaxBody(0), // reads them all the same, but keeps nothing
	)
	sending, end := context.WithCancel(ctx)
	pacer := &pacer{ctx: sending, schedule: schedule{start: time.Now(), rate: l.Rate, length: l.Duration}}
	running := &Running{schedule: pacer.schedule, end: end, done: make(chan struct{})}
	results := attacker.Attack(l.target(), pacer, 0, "")
	go func() {
		defer close(running.done)
		cut := running.collect(ctx, results)
		whole := pacer.complete || ctx.Err() == nil // else nobody but End has ended the schedule
		if l.Duration > 0 && (cut || !whole) {
			running.err = fmt.Errorf("load on %s ended early: %w", l.URL, context.Cause(ctx))
		}
		cancel()
		transport.CloseIdleConnections()
	}()
	return running, nil
}

// target returns the request to send, over and over.
func (l Load) target() vegeta.Targeter {
	target := vegeta.Target{Method: l.Method, URL: l.URL, Body: []byte(l.Body), Header: http.Header{}}
	for name, value := range l.Header {
		target.Header.Set(name, value)
	}
	return func(t *vegeta.Target) error {
		*t = target // vegeta copies the header into each request
		return nil
	}
}

// collect keeps the results until there are no more, which is when all workers
// are gone. It reports whether ctx cut any request off.
func (r *Running) collect(ctx context.Context, results <-chan *vegeta.Result) (cut bool) {
	for result := range results {
		// Without an answer after the end: it was not the target that failed.
		if result.Code == 0 && ctx.Err() != nil {
			cut = true
			continue
		}
		r.add(result)
	}
	return cut
}

// add keeps one result. Vegeta numbers the requests as it sends them and takes
// the time when it does, so the number leads back to the intended time.
func (r *Running) add(result *vegeta.Result) {
	intended, _ := r.schedule.due(result.Seq)
	lag := result.Timestamp.Sub(intended)
	sample := Sample{
		Seq:      result.Seq,
		Intended: intended,
		Lag:      lag,
		Latency:  lag + result.Latency,
		Code:     int(result.Code),
		Run:      result.Headers.Get(runHeader),
	}
	if sample.Code == 0 {
		sample.Err = bare(result.Error)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = append(r.samples, sample)
}

// bare cuts off what net/http puts before each error, `Get "http://…": `: all
// requests of a load have it in common.
func bare(message string) string {
	if _, rest, found := strings.Cut(message, `": `); found && strings.Contains(message, ` "http`) {
		return rest
	}
	return message
}

// Result returns the requests that have ended so far. It may be called while
// the load runs and as often as you like; the result does not change later.
func (r *Running) Result() Result {
	r.mu.Lock()
	samples := slices.Clone(r.samples)
	r.mu.Unlock()
	slices.SortFunc(samples, bySeq)
	return Result{Samples: samples}
}

// End sends no further request. Those that were sent get their answers, so that
// the slow ones among them are not missing, and then the load has ended, without an
// error. Ending twice, or what has ended, is nothing.
func (r *Running) End() { r.end() }

// Wait returns when the load has ended and its workers are gone. The result
// holds all requests that ended by themselves, also with an error. The error is
// the cause of the context, if that ended before Duration was over; a load
// without a Duration is meant to end so, and has no error.
func (r *Running) Wait() (Result, error) {
	<-r.done
	return r.Result(), r.err
}
