package process_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/meshtest/internal/process"
)

// In a child of the tests, ownerEnv makes the test binary the owner of a
// process, told in the file that it names, until it is killed.
const ownerEnv = "FAULTLINE_TEST_OWNER_OF"

func TestMain(m *testing.M) {
	if file := os.Getenv(ownerEnv); file != "" {
		own(file)
		return
	}
	os.Exit(m.Run())
}

func own(file string) {
	dir := filepath.Dir(file)
	spawner, err := process.NewSpawner(filepath.Join(dir, "run"))
	if err != nil {
		panic(err)
	}
	p, err := spawner.Start(shell(dir, "sleeper", "sleep 600"))
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(file+".part", []byte(strconv.Itoa(p.Pid())), 0o600); err != nil {
		panic(err)
	}
	if err := os.Rename(file+".part", file); err != nil {
		panic(err)
	}
	select {}
}

func shell(dir, name, script string) process.Command {
	return process.Command{
		Name: name, Path: "/bin/sh", Args: []string{"-c", script}, Env: os.Environ(),
		Log: filepath.Join(dir, name+".log"), Stamp: true,
	}
}

func newSpawner(t *testing.T) (*process.Spawner, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := process.NewSpawner(filepath.Join(dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, dir
}

func TestReadyWaitsForTheProbe(t *testing.T) {
	s, dir := newSpawner(t)
	flag := filepath.Join(dir, "ready")
	p, err := s.Start(shell(dir, "server", "touch "+flag+"; sleep 600"))
	if err != nil {
		t.Fatal(err)
	}
	err = p.Ready(t.Context(), func(context.Context) error { _, err := os.Stat(flag); return err })
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Exited(); err != nil {
		t.Errorf("a running process has exited: %v", err)
	}
}

func TestAnExitBeforeReadyIsTold(t *testing.T) {
	s, dir := newSpawner(t)
	p, err := s.Start(shell(dir, "server", "echo first; echo bind: address in use >&2; exit 3"))
	if err != nil {
		t.Fatal(err)
	}
	err = p.Ready(t.Context(), func(context.Context) error { return errors.New("connection refused") })
	var exit *process.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("got %v, want an ExitError", err)
	}
	if exit.Name != "server" || exit.Status != "exit status 3" || exit.Ready || exit.Log != "first\nbind: address in use" {
		t.Errorf("got %+v", exit)
	}
	for _, want := range []string{"server: ended with exit status 3", "before ready", "\n    bind: address in use"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("message %q lacks %q", err, want)
		}
	}
}

func TestATimeoutTellsTheProbesLastWords(t *testing.T) {
	s, dir := newSpawner(t)
	p, err := s.Start(shell(dir, "server", "echo still warming up; sleep 600"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = p.Ready(ctx, func(context.Context) error { return errors.New("answered 503") })
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "answered 503") {
		t.Errorf("got %v", err)
	}
}

func TestStopInsists(t *testing.T) {
	s, dir := newSpawner(t)
	flag := filepath.Join(dir, "ready")
	p, err := s.Start(shell(dir, "stubborn", "trap '' TERM; touch "+flag+"; while true; do sleep 1; done"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(t.Context(), func(context.Context) error { _, err := os.Stat(flag); return err }); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(50 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("the process is still there")
	}
	if err := p.Exited(); err != nil {
		t.Errorf("a stopped process counts as exited: %v", err)
	}
	if err := p.Stop(0); err != nil {
		t.Errorf("stopping twice: %v", err)
	}
}

// The promise of the package: SIGKILL on the owner leaves nothing.
func TestAChildDiesWithItsOwner(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	owner := exec.Command(self)
	owner.Env = append(os.Environ(), ownerEnv+"="+file)
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { _, err := os.Stat(file); return err == nil })
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	child, err := process.Identify(pid)
	if err != nil {
		t.Fatalf("the child does not run: %v", err)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // killed, as was asked
	if err := process.AwaitEnd(child, 5*time.Second); err != nil {
		t.Error(err)
	}
}

// Sweep must end what a record names, and only that: a stranger with the same
// pid has another start time.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	left, stranger := sleeper(t), sleeper(t)
	records := map[string]process.ID{
		"left":     left,
		"stranger": {Pid: stranger.Pid, Start: stranger.Start + 1},
		"gone":     {Pid: 1 << 22, Start: 7},
	}
	for name, id := range records {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(id.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	killed, err := process.Sweep(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(killed) != 1 || killed[0] != "left" {
		t.Errorf("killed %v, want [left]", killed)
	}
	if left.Alive() {
		t.Error("what was left still runs")
	}
	if !stranger.Alive() {
		t.Error("a stranger was killed")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("records remain: %v", entries)
	}
}

func TestSweepOfNothing(t *testing.T) {
	if killed, err := process.Sweep(filepath.Join(t.TempDir(), "none")); len(killed) > 0 || err != nil {
		t.Errorf("got %v, %v", killed, err)
	}
}

// sleeper starts a process that nobody owns but the test.
func sleeper(t *testing.T) process.ID {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // may be dead already
		_ = cmd.Wait()
	})
	id, err := process.Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestReadLog(t *testing.T) {
	s, dir := newSpawner(t)
	p, err := s.Start(shell(dir, "app", "echo one; echo two; echo three"))
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	for _, c := range []struct {
		name    string
		options process.LogOptions
		want    string
	}{
		{"all", process.LogOptions{Tail: -1}, "one\ntwo\nthree\n"},
		{"tail", process.LogOptions{Tail: 1}, "three\n"},
		{"tail of nothing", process.LogOptions{Tail: 0}, ""},
		{"since a future", process.LogOptions{Tail: -1, Since: time.Now().Add(time.Hour)}, ""},
		{"since a past", process.LogOptions{Tail: -1, Since: time.Now().Add(-time.Hour)}, "one\ntwo\nthree\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got bytes.Buffer
			if err := process.ReadLog(t.Context(), filepath.Join(dir, "app.log"), c.options, &got); err != nil {
				t.Fatal(err)
			}
			if got.String() != c.want {
				t.Errorf("got %q, want %q", got.String(), c.want)
			}
		})
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited for 10s")
		}
	}
}
