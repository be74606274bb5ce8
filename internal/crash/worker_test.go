package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/faultline-mesh/faultline/injector"
)

// leaseDuration is the shortest there is.
const leaseDuration = 3 * time.Second

// workerEnv holds the job of a worker, as JSON.
const workerEnv = "FAULTLINE_CRASH_JOB"

// job is what a worker has to do: one run, from plan to revert. It tells each
// step on standard output, and when it is through it waits to be killed.
type job struct {
	Kubeconfig string
	Namespace  string
	Run        string
	Targets    []target
	Hold       time.Duration
	Death      death
	At         int  // the request of inject, hold and revert, from 0, at which to die
	Unmarked   bool // a bug planted on purpose: writes have no mark
}

// target is a fault to make: on a service, at a site.
type target struct {
	Name  string
	Site  injector.Site
	Shape shape
}

// shape is what a fault puts into the mesh.
type shape int

const (
	plain shape = iota // one object
	hole               // two of them: a route to nowhere, and the nowhere
	ramp               // an object that is written again while the fault is held
)

func (t target) fault(namespace string) injector.Fault {
	fault := injector.Fault{
		On: injector.Service{Namespace: namespace, Name: t.Name}, Site: t.Site,
		Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
	}
	switch t.Shape {
	case hole:
		fault.Effect = injector.Blackhole{Percent: 100}
	case ramp:
		fault.Ramp = []float64{10, 50}
	case plain:
	}
	return fault
}

// death is when a worker kills itself.
type death string

const (
	never  death = "never"  // it leaves that to its parent
	atEnd  death = "at end" // the same, and the parent waits for its end
	before death = "before" // before the request leaves
	half   death = "half"   // when half of the request's body has left
	after  death = "after"  // when the answer is there and nobody has seen it
	asleep death = "asleep" // not at all: it stops before the request, until it is sent SIGCONT
)

// The steps that a worker tells. Requests are told as "> METHOD path" when they
// leave, and "< status" when they are answered.
const (
	stepPlan   = "# plan"
	stepInject = "# inject"
	stepRamp   = "# ramp"
	stepHold   = "# hold"
	stepSleep  = "# sleep"
	stepRevert = "# revert"
	stepEnd    = "# end"
)

func tell(line string) { fmt.Println(line) } // one write, so it is there or not

// work does the job and returns an exit code, if it lives to.
func work(ctx context.Context, text string) int {
	var j job
	err := json.Unmarshal([]byte(text), &j)
	if err == nil {
		err = j.do(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	tell(stepEnd)
	_, _ = io.Copy(io.Discard, os.Stdin) // until killed
	return 0
}

func (j job) do(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", j.Kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	m := &mortal{job: j}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { m.next = next; return m })
	in, err := injector.New(config, injector.WithLeaseDuration(leaseDuration))
	if err != nil {
		return err
	}
	tell(stepPlan)
	var faults []injector.Fault
	for _, t := range j.Targets {
		faults = append(faults, t.fault(j.Namespace))
	}
	plan, err := in.Plan(ctx, j.Run, faults, injector.BlastRadius{}, in.Now().Add(time.Hour))
	if err != nil {
		return err
	}
	tell(stepInject)
	m.armed.Store(true)
	injection, err := in.Inject(ctx, plan)
	for n := 1; err == nil && n <= 2 && j.ramps(); n++ {
		tell(stepRamp)
		_ = injection.Step(ctx, n) // a user may have taken the fault out
	}
	if err == nil {
		tell(stepHold)
		hold := time.NewTimer(j.Hold)
		defer hold.Stop()
		<-hold.C
	}
	tell(stepRevert)
	if errRevert := injection.Revert(ctx); errRevert != nil {
		return errors.Join(errRevert, err)
	}
	return nil
}

func (j job) ramps() bool {
	return slices.ContainsFunc(j.Targets, func(t target) bool { return t.Shape == ramp })
}

// mortal is a transport that ends its own process at one of its requests.
type mortal struct {
	next  http.RoundTripper
	job   job
	armed atomic.Bool // planning is over
	seen  atomic.Int32
}

// RoundTrip tells of the request and its answer.
func (m *mortal) RoundTrip(q *http.Request) (*http.Response, error) {
	mine := m.armed.Load() && int(m.seen.Add(1))-1 == m.job.At
	switch {
	case mine && m.job.Death == before:
		die()
	case mine && m.job.Death == asleep:
		tell(stepSleep)
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
	if m.job.Unmarked && q.Body != nil {
		if err := unmark(q); err != nil {
			return nil, err
		}
	}
	if mine && m.job.Death == half && q.Body != nil {
		q = q.Clone(q.Context())
		q.Body = &fatalBody{ReadCloser: q.Body, left: q.ContentLength / 2}
		q.GetBody = nil
	}
	tell("> " + q.Method + " " + q.URL.Path)
	resp, err := m.next.RoundTrip(q)
	if mine && (m.job.Death == half || m.job.Death == after) {
		die()
	}
	if err != nil {
		tell("< " + strings.ReplaceAll(err.Error(), "\n", " "))
		return resp, err
	}
	tell("< " + resp.Status)
	return resp, nil
}

// die is the end of the process, at this very instruction.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// fatalBody ends the process once half of it has been sent.
type fatalBody struct {
	io.ReadCloser
	left int64
}

// Read gives the first half in one piece; the transport sends it before it asks
// for more.
func (b *fatalBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		die()
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// unmark takes what tells of a run off the object that q writes, and its name off
// the routes: nobody can find them then.
func unmark(q *http.Request) error {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return err
	}
	name := path.Base(q.URL.Path)
	if q.Method == http.MethodPut && !strings.HasPrefix(name, "faultline") {
		body = bytes.ReplaceAll(body, []byte(`"name":"faultline-`), []byte(`"name":"nameless-`))
		body = bytes.ReplaceAll(body, []byte(`"faultline.dev/`), []byte(`"nameless.dev/`))
	}
	q.Body, q.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	q.GetBody = nil
	return nil
}
