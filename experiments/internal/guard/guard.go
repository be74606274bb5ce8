package guard

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

const (
	beatEvery = time.Second
	exitLimit = 2 * time.Second // for a guard that is told that all is clean
)

// What the two say to each other, beside the first message.
const (
	wordBeat  = `"beat"`
	wordEnd   = `"end"`
	wordReady = "ready"
)

// Task is what a guard looks after.
type Task struct {
	Run        string
	Namespaces []string      // of every object that the run may write
	Silence    time.Duration // a parent without a beat for so long has stopped
}

// first is the first message to a guard.
type first struct {
	Connection connection
	Task       Task
}

// Guard is the parent's end of a guard.
type Guard struct {
	last  chan string   // the last word to the guard; takes one
	ready chan struct{} // closed once it has reached the cluster
	gone  chan struct{} // closed once it has exited
	kill  func() error

	mu   sync.Mutex
	say  func(string) // nil once the run has ended
	done bool         // it was told to end, or to finish alone
}

// Start starts a guard and returns at once; [Guard.Ready] tells when it can be
// relied on. An error says why there can be none. What the guard has to say goes
// to stderr, and, until [Guard.End], to say, which must be safe for concurrent
// use. Whoever started a guard calls End.
func Start(config *rest.Config, task Task, stderr *os.File, say func(string)) (*Guard, error) {
	connection, err := newConnection(config)
	if err != nil {
		return nil, err
	}
	message, err := json.Marshal(first{connection, task})
	if err != nil {
		return nil, err
	}
	executable, err := self()
	if err != nil {
		return nil, err
	}
	command := exec.Command(executable)
	command.Args = os.Args[:1] // some executables are told by their name what to be
	command.Env = append(os.Environ(), marker+"="+markerValue)
	command.Stderr = stderr
	if err := detach(command); err != nil {
		return nil, err
	}
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	g := &Guard{
		last: make(chan string, 1), ready: make(chan struct{}), gone: make(chan struct{}), kill: command.Process.Kill, say: say,
	}
	go g.speak(stdin, message)
	go g.listen(stdout, command.Wait)
	return g, nil
}

// Ready returns once the guard has reached the cluster; an error says why it
// cannot be relied on.
func (g *Guard) Ready(ctx context.Context) error {
	select {
	case <-g.ready:
		return nil
	case <-g.gone:
		return errors.New("it has exited")
	case <-ctx.Done():
		return errors.New("it is not ready")
	}
}

// End tells the guard that all is clean, and returns when it has exited; or, if
// all is not clean, leaves the rest to it and returns at once.
func (g *Guard) End(clean bool) {
	g.mu.Lock()
	again := g.done
	g.say, g.done = nil, true
	g.mu.Unlock()
	if again {
		return
	}
	if !clean {
		g.last <- "" // it sees the pipe end, as if this process had died
		return
	}
	g.last <- wordEnd
	timer := time.NewTimer(exitLimit)
	defer timer.Stop()
	select {
	case <-g.gone:
	case <-timer.C:
		_ = g.kill() // it may be gone by now
		<-g.gone
	}
}

// speak tells the guard what to do, and then that this process is alive.
func (g *Guard) speak(stdin io.WriteCloser, message []byte) {
	defer stdin.Close() //nolint:errcheck // the guard may be gone, which listen notices
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for word := string(message); ; {
		if _, err := fmt.Fprintln(stdin, word); err != nil {
			return
		}
		select {
		case <-tick.C:
			word = wordBeat
		case <-g.gone:
			return
		case word = <-g.last:
			if word != "" {
				_, _ = fmt.Fprintln(stdin, word) // without it, the guard sees the pipe end
			}
			return
		}
	}
}

// listen passes on what the guard says, and notices that it is gone.
func (g *Guard) listen(stdout io.Reader, wait func() error) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if line := lines.Text(); line == wordReady {
			close(g.ready)
		} else {
			g.tell(line)
		}
	}
	err := wait()
	g.mu.Lock()
	expected := g.done
	g.mu.Unlock()
	if !expected {
		g.tell(fmt.Sprintf("the guard is gone (%v); the run goes on, and if this process is killed now, its faults "+
			"stay until somebody reverts them", exitText(err)))
	}
	close(g.gone)
}

func exitText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

func (g *Guard) tell(text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.say != nil {
		g.say(text)
	}
}
