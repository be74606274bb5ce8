package crash

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/faultline-mesh/faultline/injector"
)

const (
	lanes   = 3  // scenes side by side
	abreast = 2  // runs at a time in each, so that they meet on one object
	batch   = 25 // runs in a scene until somebody takes out what they left
)

// places are where in a run a kill can fall, in their order.
var places = []string{
	"before the first write", "between lease and first write", "between writes", "while held", "in revert", "after",
}

// place tells from what a worker said where it died.
func place(said []string) string {
	step, leased, wrote := "", false, false
	for _, line := range said {
		switch {
		case strings.HasPrefix(line, "#"):
			step = line
		case step != stepInject || !strings.HasPrefix(line, "> ") || strings.HasPrefix(line, "> GET"):
		case strings.Contains(line, "/leases"):
			leased = true
		default:
			wrote = true
		}
	}
	switch {
	case step == stepHold:
		return places[3]
	case step == stepRevert:
		return places[4]
	case step == stepEnd:
		return places[5]
	case wrote:
		return places[2]
	case leased:
		return places[1]
	}
	return places[0]
}

// reaper takes out what the dead have left in a namespace.
type reaper func(ctx context.Context, in *injector.Injector, namespace string) error

// reap is what a CI job does afterwards: faultline revert.
func reap(ctx context.Context, in *injector.Injector, namespace string) error {
	left, err := in.Leftovers(ctx, namespace)
	if err != nil {
		return err
	}
	return in.RevertLeftovers(ctx, left)
}

// tally is what came of a suite of crashes.
type tally struct {
	mu      sync.Mutex
	deaths  map[string]int // kills by place
	means   map[death]int  // kills by means
	edits   int            // foreign edits
	remains remains
	liars   []string // runs that said they had reverted, and had not

	life     time.Duration // how long runs take that live to their end
	requests map[int]int   // how many requests they make, by number of faults
}

func (t *tally) String() string {
	total := 0
	var lines []string
	for _, place := range places {
		total += t.deaths[place]
		lines = append(lines, fmt.Sprintf("  %5d %s", t.deaths[place], place))
	}
	return fmt.Sprintf("%d processes killed (%d by time, %d before a request, %d in one, %d behind one), %d foreign edits\n%s\n"+
		"%d marks left, %d objects unequal, %d runs that claimed to be reverted and were not",
		total, t.means[never], t.means[before], t.means[half], t.means[after], t.edits, strings.Join(lines, "\n"),
		len(t.remains.marks), len(t.remains.unequal), len(t.liars))
}

// lane kills workers in one scene.
type lane struct {
	*scene
	tb     testing.TB
	in     *injector.Injector
	tally  *tally
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
	t := &tally{deaths: map[string]int{}, means: map[death]int{}, life: 150 * time.Millisecond, requests: map[int]int{}}
	start := *seed
	if start == 0 {
		start = rand.Uint64()
	}
	tb.Logf("-crash.seed=%d", start)
	var batches sync.WaitGroup
	todo := make(chan int)
	for i := range min(lanes, (n+batch-1)/batch) {
		l := &lane{
			scene: newScene(tb, fmt.Sprintf("%s-%d", name, i)), tb: tb, in: newInjector(tb, unthrottled()),
			tally: t, reap: reap, plant: plant, random: rand.New(rand.NewPCG(start, uint64(i))),
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
			err := l.edit(ctx, fmt.Sprint("routed-", l.pick(routedServices)), func(vs *unstructured.Unstructured) { do(vs, by) })
			mu.Lock()
			errs = append(errs, err)
			mu.Unlock()
			edits++
		}
	}
	workers.Wait()
	found, err := l.in.Leftovers(ctx, l.namespace)
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
		Targets: randomTargets(n, l.pick),
		Hold:    time.Duration(l.pick(60)) * time.Millisecond,
		Death:   []death{never, never, before, half, after}[l.pick(5)],
	}
	l.tally.mu.Lock()
	requests := l.tally.requests[len(j.Targets)]
	l.tally.mu.Unlock()
	if requests == 0 {
		requests = 1 + 4*len(j.Targets)
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
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), workerEnv+"="+string(text))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close() //nolint:errcheck // it holds the worker at its end
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	said = l.listen(stdout, cmd.Process, j)
	err = cmd.Wait()
	if cmd.ProcessState.Exited() { // nobody killed it
		return said, fmt.Errorf("run %s of %v ended by itself: %v\n%s", j.Run, j.Targets, err, &stderr)
	}
	l.tally.mu.Lock()
	defer l.tally.mu.Unlock()
	l.tally.deaths[place(said)]++
	l.tally.means[j.Death]++
	return said, nil
}

// listen takes down what a worker says until it is dead. One that is not to kill
// itself is killed at a time of its life.
func (l *lane) listen(stdout io.Reader, process *os.Process, j job) (said []string) {
	kill := func() { _ = process.Kill() } // it may be dead already
	var began time.Time
	requests := 0
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		said = append(said, lines.Text())
		switch line := lines.Text(); {
		case line == stepPlan:
			began = time.Now()
			if j.Death == never {
				l.tally.mu.Lock()
				life := l.tally.life + l.tally.life/10
				l.tally.mu.Unlock()
				timer := time.AfterFunc(time.Duration(l.pick(int(life))), kill)
				defer timer.Stop()
			}
		case line == stepInject:
			requests = 0
		case strings.HasPrefix(line, "> "):
			requests++
		case line == stepEnd:
			l.tally.mu.Lock()
			l.tally.life = (3*l.tally.life + time.Since(began)) / 4
			l.tally.requests[len(j.Targets)] = requests + 1
			l.tally.mu.Unlock()
			kill()
		}
	}
	return said
}

// TestCrash kills processes at any instruction of inject, hold and revert, while
// others work on the same objects and users edit them. After one reaper pass
// nothing of them is left, and every object is as its users made it.
func TestCrash(t *testing.T) {
	began := time.Now()
	result := crash(t, "crash", *kills, reap, nil)
	t.Logf("%s\nin %s", result, time.Since(began).Round(time.Second))
	for _, bad := range slices.Concat(result.remains.marks, result.remains.unequal, result.liars) {
		t.Error(bad)
	}
	for _, place := range places {
		if result.deaths[place] == 0 && *kills >= 100 {
			t.Errorf("no process died %s", place)
		}
	}
}
