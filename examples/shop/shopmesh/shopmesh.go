// Package shopmesh brings the shop up on a mesh of this machine, for the
// examples. In a service's own repository its place is taken by a kubeconfig, or
// by the same few lines with that service's program and manifests.
package shopmesh

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/faultline-mesh/faultline/meshtest"
)

// Start builds the shop, starts a mesh, changed as one likes, and deploys the shop
// to it. Call stop, also after an error: it ends the mesh and removes what was
// built.
func Start(ctx context.Context, change ...func(*meshtest.Mesh)) (mesh *meshtest.Mesh, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "shop-")
	if err != nil {
		return nil, func() error { return nil }, err
	}
	program := filepath.Join(dir, "shop")
	mesh = &meshtest.Mesh{
		Images:   map[string]string{"faultline/shop": program},
		Progress: func(line string) { fmt.Fprintln(os.Stderr, line) },
	}
	for _, c := range change {
		c(mesh)
	}
	stop = func() error {
		return errors.Join(mesh.Stop(context.WithoutCancel(ctx)), os.RemoveAll(dir))
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir = shopDir()
	if out, err := build.CombinedOutput(); err != nil {
		return mesh, stop, fmt.Errorf("build the shop: %w\n%s", err, out)
	}
	if err := mesh.Start(ctx); err != nil {
		return mesh, stop, err
	}
	return mesh, stop, mesh.Deploy(ctx, filepath.Join(shopDir(), "mesh"))
}

// Around returns tests with a shop around them, for experiments.Main: its Run
// starts the shop, hands the mesh to use, runs the tests, ends the mesh, and
// returns the exit code.
func Around(tests interface{ Run() int }, use func(*meshtest.Mesh), change ...func(*meshtest.Mesh)) interface{ Run() int } {
	return &around{tests, use, change}
}

type around struct {
	tests  interface{ Run() int }
	use    func(*meshtest.Mesh)
	change []func(*meshtest.Mesh)
}

// Run does what Around says.
func (a *around) Run() (code int) {
	mesh, stop, err := Start(context.Background(), a.change...)
	defer func() {
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	a.use(mesh)
	return a.tests.Run()
}

// shopDir is where the shop's sources and manifests are.
func shopDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..")
}
