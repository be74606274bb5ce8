package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/meshtest"
)

func TestMain(m *testing.M) { experiments.Main(scripts{m}) }

// scripts turns the test binary into the command where a script calls it so.
type scripts struct{ *testing.M }

func (s scripts) Run() int {
	testscript.Main(s.M, map[string]func(){"faultline": main}) // it exits
	return 0
}

// serial runs scripts one after the other: they share one mesh, and an
// experiment of one would be in the baseline of another.
type serial struct{ *testing.T }

func (serial) Parallel() {}

func (s serial) Verbose() bool { return testing.Verbose() }

func (s serial) Run(name string, f func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { f(serial{t}) })
}

// TestScripts are those that need no mesh.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/pure", Cmds: commands(nil), RequireExplicitExec: true})
}

// TestMeshScripts run against a mesh with the shop in it.
func TestMeshScripts(t *testing.T) {
	shop := filepath.Join(t.TempDir(), "shop")
	if out, err := exec.Command("go", "build", "-o", shop, "../../examples/shop").CombinedOutput(); err != nil {
		t.Fatalf("build the shop: %v\n%s", err, out)
	}
	examples, err := filepath.Abs("../../examples/shop")
	if err != nil {
		t.Fatal(err)
	}
	mesh := &meshtest.Mesh{Images: map[string]string{"faultline/shop": shop}, Progress: func(line string) { t.Log(line) }}
	if err := mesh.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := mesh.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := mesh.Deploy(t.Context(), filepath.Join(examples, "mesh")); err != nil {
		t.Fatal(err)
	}
	testscript.RunT(serial{t}, testscript.Params{
		Dir: "testdata/mesh", Cmds: commands(mesh), RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("KUBECONFIG", mesh.Kubeconfig())
			env.Setenv("EXAMPLES", examples)
			env.Setenv("SHOP", shop)
			env.Setenv("FAULTLINE_CACHE", filepath.Join(userCache(), "faultline"))
			env.Setenv("HOME", env.WorkDir)
			return asItWas(t.Context(), mesh, filepath.Join(examples, "mesh"))
		},
	})
}

// asItWas makes good whatever a script changed.
func asItWas(ctx context.Context, mesh *meshtest.Mesh, manifests string) error {
	runner, err := experiments.NewRunner(mesh.Config())
	if err != nil {
		return err
	}
	_, err = runner.Release(ctx)
	return errors.Join(err, mesh.Deploy(ctx, manifests))
}

// userCache is where the executables of the mesh are; the scripts' HOME is not
// the user's.
func userCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return os.TempDir()
	}
	return dir
}

// commands are what the scripts can do beside the usual.
func commands(mesh *meshtest.Mesh) map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits":      exits,
		"deploy":     func(ts *testscript.TestScript, _ bool, args []string) { deploy(ts, mesh, args) },
		"killed":     killed,
		"until":      until,
		"nothing":    nothing,
		"plans":      plans,
		"shown":      shown,
		"killguards": killguards, "impersonate": impersonate,
		"istiod":  func(ts *testscript.TestScript, _ bool, args []string) { istiod(ts, mesh, args) },
		"clean":   func(ts *testscript.TestScript, _ bool, _ []string) { clean(ts, mesh) },
		"answers": func(ts *testscript.TestScript, _ bool, args []string) { answers(ts, mesh, args) },
	}
}

// exits CODE COMMAND...: the command must end with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%v exits with %d, want %d", args[1:], got, want)
	}
}

// deploy FILE...: as Mesh.Deploy.
func deploy(ts *testscript.TestScript, mesh *meshtest.Mesh, args []string) {
	paths := make([]string, len(args))
	for i, a := range args {
		paths[i] = ts.MkAbs(a)
	}
	ts.Check(mesh.Deploy(context.Background(), paths...))
}

// killed PIDFILE: SIGKILL to the process in the file, as JSON's "pid" or plain.
func killed(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if _, after, ok := strings.Cut(text, `"pid":`); ok {
		text, _, _ = strings.Cut(after, ",")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(text))
	ts.Check(err)
	p, err := os.FindProcess(pid)
	ts.Check(err)
	ts.Check(p.Kill())
}

// until TEXT COMMAND...: repeats the command until its output has the text.
func until(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := ts.Exec(args[1], args[2:]...)
		if out := ts.ReadFile("stdout"); strings.Contains(out, args[0]) {
			return
		} else if time.Now().After(deadline) {
			ts.Fatalf("%v does not print %q; last: %s %v", args[1:], args[0], out, err)
		}
	}
}

// nothing DIR: no process names the directory on its command line any more.
func nothing(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	deadline := time.Now().Add(10 * time.Second)
	for {
		left := ""
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		ts.Check(err)
		for _, file := range files {
			if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), dir) {
				left += fmt.Sprintf("%s: %s\n", file, strings.ReplaceAll(string(line), "\x00", " "))
			}
		}
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("processes survive:\n%s", left)
		}
	}
}
