package crash

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/faultline-mesh/faultline/injector"
)

const (
	lanes   = 8  // scenes side by side, of which most wait for Leases to go stale
	working = 3  // of them that are not waiting
	abreast = 2  // runs at a time in each, so that they meet on one object
	batch   = 40 // runs in a scene until somebody takes out what they left
)

// forGood is to hold a fault until one is killed for it.
const forGood = time.Minute

// reaper takes out what the dead have left in a namespace.
type reaper func(ctx context.Context, in *injector.Injector, namespace string) error

// reap is what a CI job does afterwards: faultline revert --expired.
func reap(ctx context.Context, in *injector.Injector, namespace string) error {
	_, err := in.RevertStale(ctx, namespace)
	return err
}

// silence waits until no run in a namespace looks alive, and returns what is left.
func silence(ctx context.Context, in *injector.Injector, namespace string) ([]injector.Leftover, error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		found, err := in.Leftovers(ctx, namespace)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(found, func(l injector.Leftover) bool { return l.State == injector.Live })
		if at < 0 {
			return found, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("a dead run looks alive for a minute: %s", found[at])
		}
	}
}

// lane kills workers in one scene.
type lane struct {
	*scene
	tb     testing.TB
	in     *injector.Injector
	tally  *tally
	work   chan struct{} // held by the lanes that are at work
	reap   reaper
	plant  func(*job) // a bug planted on purpose, or nil
	mu     sync.Mutex
	random *rand.Rand
}

func (l *lane) pick(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.random.IntN(n)
}

// crash kills n processes and returns what came of it.
func crash(tb testing.TB, name string, n int, reap reaper, plant func(*job)) *tally {
	tb.Helper()
	t := &tally{deaths: map[string]int{}, means: map[death]int{}, life: 200 * time.Millisecond, requests: map[int]int{}}
	start := *seed
	if start == 0 {
		start = rand.Uint64()
	}
	tb.Logf("-crash.seed=%d", start)
	var batches sync.WaitGroup
	todo, work := make(chan int), make(chan struct{}, working)
	for i := range min(lanes, (n+batch-1)/batch) {
		l := &lane{
			scene: newScene(tb, fmt.Sprintf("%s-%d", name, i), cast{routed: 3, bare: batch, upstream: 2}), tb: tb, in: newInjector(tb, unthrottled()),
			tally: t, work: work, reap: reap, plant: plant, random: rand.New(rand.NewPCG(start, uint64(i))),
		}
		batches.Go(func() {
			for size := range todo {
				if err := l.batch(tb.Context(), size); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	for ; n > 0; n -= batch {
		todo <- min(n, batch)
	}
	close(todo)
	batches.Wait()
	return t
}

// batch kills size workers, has one reaper pass made, and looks what is left.
func (l *lane) batch(ctx context.Context, size int) error {
	var workers sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	edits, clean := 0, map[string]bool{} // runs that said they are clean
	places := make(chan struct{}, abreast)
	l.work <- struct{}{}
	for n := range size {
		places <- struct{}{}
		workers.Go(func() {
			defer func() { <-places }()
			j := l.job(n)
			said, err := l.worker(ctx, j)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			clean[j.Run] = slices.Contains(said, stepEnd)
		})
		if l.pick(3) == 0 {
			do, by := foreignEdits[l.pick(len(foreignEdits))], l.pick(50)
			err := l.edit(ctx, fmt.Sprint("routed-", l.pick(l.cast.routed)), func(vs *unstructured.Unstructured) { do(vs, by) })
			mu.Lock()
			errs = append(errs, err)
			mu.Unlock()
			edits++
		}
	}
	workers.Wait()
	<-l.work
	found, err := silence(ctx, l.in, l.namespace)
	errs = append(errs, err, l.reap(ctx, l.in, l.namespace))
	left, err := l.inspect(ctx)
	errs = append(errs, err)

	l.tally.mu.Lock()
	defer l.tally.mu.Unlock()
	l.tally.edits += edits
	for _, leftover := range found {
		if clean[leftover.Run] {
			l.tally.liars = append(l.tally.liars, leftover.String())
		}
	}
	l.tally.remains.marks = append(l.tally.remains.marks, left.marks...)
	l.tally.remains.unequal = append(l.tally.remains.unequal, left.unequal...)
	if len(left.marks)+len(left.unequal) > 0 {
		l.renew(l.tb)
	}
	return errors.Join(errs...)
}

// job draws what the n-th worker of a batch does, and when it dies.
func (l *lane) job(n int) job {
	j := job{
		Kubeconfig: mesh.Kubeconfig(), Namespace: l.namespace, Run: injector.NewRunID(),
		Targets: l.cast.randomTargets(n, l.pick),
		Hold:    time.Duration(l.pick(150)) * time.Millisecond,
		Death:   []death{never, never, before, half, after}[l.pick(5)],
	}
	switch l.pick(20) {
	case 0: // long enough to renew the Lease
		j.Hold = time.Duration(1200+l.pick(1200)) * time.Millisecond
	case 1:
		j.Death = atEnd
	}
	l.tally.mu.Lock()
	requests := l.tally.requests[len(j.Targets)]
	l.tally.mu.Unlock()
	if requests == 0 {
		requests = 5 + 6*len(j.Targets)
	}
	j.At = l.pick(requests)
	if l.plant != nil {
		l.plant(&j)
	}
	return j
}

// worker starts a process for j, kills it if it does not do so itself, and
// returns what it said.
func (l *lane) worker(ctx context.Context, j job) (said []string, err error) {
	p, err := start(ctx, j)
	if err != nil {
		return nil, err
	}
	said = l.listen(p, j)
	err = p.Wait()
	if p.ProcessState.Exited() { // nobody killed it
		return said, fmt.Errorf("run %s of %v ended by itself: %w\n%s", j.Run, j.Targets, cmp.Or(err, errors.New("without an error")), &p.stderr)
	}
	l.tally.mu.Lock()
	defer l.tally.mu.Unlock()
	l.tally.deaths[place(said)]++
	l.tally.means[j.Death]++
	return said, p.close()
}

// listen takes down what a worker says until it is dead. One that is not to kill
// itself is killed at a time of its life.
func (l *lane) listen(p *process, j job) (said []string) {
	kill := func() { _ = p.Process.Kill() } // it may be dead already
	var began time.Time
	requests := 0
	for p.said.Scan() {
		said = append(said, p.said.Text())
		switch line := p.said.Text(); {
		case line == stepPlan:
			began = time.Now()
			if j.Death == never {
				l.tally.mu.Lock()
				life := l.tally.life + j.Hold
				l.tally.mu.Unlock()
				timer := time.AfterFunc(time.Duration(l.pick(int(life))), kill)
				defer timer.Stop()
			}
		case line == stepInject:
			requests = 0
		case line == stepHold && j.Hold >= forGood:
			kill()
		case strings.HasPrefix(line, "> "):
			requests++
		case line == stepEnd:
			l.tally.mu.Lock()
			l.tally.life = (3*l.tally.life + time.Since(began) - j.Hold) / 4
			l.tally.requests[len(j.Targets)] = requests + 1
			l.tally.mu.Unlock()
			kill()
		}
	}
	return said
}
