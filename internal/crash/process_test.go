package crash

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
)

// process is a worker.
type process struct {
	*exec.Cmd
	stdout, stdin *os.File // what it says; what holds it at its end
	said          *bufio.Scanner
	stderr        bytes.Buffer
}

// hear returns the first of the lines that the process says, or the last it says
// at all.
func (p *process) hear(lines ...string) (last string) {
	for p.said.Scan() {
		if last = p.said.Text(); slices.Contains(lines, last) {
			break
		}
	}
	return last
}

func start(ctx context.Context, j job) (*process, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	p := &process{Cmd: exec.CommandContext(ctx, os.Args[0])}
	// With the race detector, a process would wait a second before it ends.
	p.Env = append(os.Environ(), workerEnv+"="+string(text), "GORACE=atexit_sleep_ms=0")
	p.Stderr = &p.stderr
	var theirs [2]*os.File
	if theirs[0], p.stdin, err = os.Pipe(); err != nil {
		return nil, err
	}
	if p.stdout, theirs[1], err = os.Pipe(); err != nil {
		return nil, err
	}
	p.said = bufio.NewScanner(p.stdout)
	p.Stdin, p.Stdout = theirs[0], theirs[1]
	err = p.Start()
	return p, errors.Join(err, theirs[0].Close(), theirs[1].Close())
}

func (p *process) close() error { return errors.Join(p.stdin.Close(), p.stdout.Close()) }
