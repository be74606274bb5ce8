package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Command describes one child.
type Command struct {
	Name string   // how messages call it, for example "istiod"; also its record's name
	Path string   // the executable
	Args []string // arguments, without the program's name
	Env  []string // the whole environment
	Dir  string   // working directory; the owner's when empty
	Log  string   // file that gets stdout and stderr, appended
	// Stamp writes each line of the log with its time in front, RFC 3339 with
	// nanoseconds and a space, as [ReadLog] wants it.
	Stamp bool
}

// Spawner starts children and ends them. Use [NewSpawner]; safe for concurrent use.
type Spawner struct {
	records string
	starts  chan func()
	done    chan struct{}

	mu       sync.Mutex
	children []*Process
	closed   bool
}

// NewSpawner returns a Spawner that records its children in the directory
// records, which it creates. Close it to end all children.
func NewSpawner(records string) (*Spawner, error) {
	if err := os.MkdirAll(records, 0o755); err != nil {
		return nil, fmt.Errorf("directory for process records: %w", err)
	}
	s := &Spawner{records: records, starts: make(chan func()), done: make(chan struct{})}
	go s.loop()
	return s, nil
}

// loop owns the thread that is the kernel's idea of the children's parent. The
// goroutine ends without unlocking, so the runtime ends the thread with it, and
// the kernel then kills whatever child is left.
func (s *Spawner) loop() {
	runtime.LockOSThread()
	defer close(s.done)
	for start := range s.starts {
		start()
	}
}

// Start starts c. The child runs until it exits, [Process.Stop] or
// [Spawner.Close]; it sits in a process group of its own, so a Ctrl-C in the
// terminal reaches only the owner, which then ends its children in order.
func (s *Spawner) Start(c Command) (*Process, error) {
	out, err := os.OpenFile(c.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("%s: log: %w", c.Name, err)
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.Env, c.Dir, out, out
	if c.Stamp {
		stamped := &stamper{out: out}
		cmd.Stdout, cmd.Stderr = stamped, stamped // equal, so one pipe and one goroutine serve both
		cmd.WaitDelay = time.Second               // a grandchild may hold the pipe open
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(fmt.Errorf("%s: start: the mesh is being stopped", c.Name), out.Close())
	}
	result := make(chan error)
	s.starts <- func() { result <- cmd.Start() }
	if err := <-result; err != nil {
		return nil, errors.Join(fmt.Errorf("%s: start: %w", c.Name, err), out.Close())
	}
	p := &Process{
		name: c.Name, log: c.Log, out: out, cmd: cmd, started: time.Now(),
		record: filepath.Join(s.records, c.Name), done: make(chan struct{}),
	}
	err = writeRecord(p.record, cmd.Process.Pid)
	s.children = append(s.children, p)
	go p.wait()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: record: %w", c.Name, err), p.Stop(0))
	}
	return p, nil
}

// Forget drops a child that has been stopped, so that a long-lived Spawner does
// not collect the dead.
func (s *Spawner) Forget(p *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.children = slices.DeleteFunc(s.children, func(c *Process) bool { return c == p })
}

// Close kills every child that is left, the youngest first, and waits for them.
// Closing twice is a no-op.
func (s *Spawner) Close() error {
	s.mu.Lock()
	children, closed := s.children, s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	var errs []error
	for _, p := range slices.Backward(children) {
		errs = append(errs, p.Stop(0))
	}
	close(s.starts)
	<-s.done
	return errors.Join(errs...)
}
