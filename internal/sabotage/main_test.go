package sabotage

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/meshtest"
)

// The lab: see testdata/lab and testdata/relay.
var (
	lab     *meshtest.Mesh
	cluster *rest.Config
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *update { // the document needs no lab
		os.Exit(m.Run())
	}
	experiments.Main(inLab{m})
}

// inLab is the tests with a lab around them.
type inLab struct{ tests *testing.M }

// Run starts the lab, runs the tests and ends the lab.
func (l inLab) Run() (code int) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "lab-")
	if err != nil {
		panic(err)
	}
	relay := filepath.Join(dir, "relay")
	lab = &meshtest.Mesh{
		Images:   map[string]string{"faultline/relay": relay},
		Progress: func(line string) { fmt.Fprintln(os.Stderr, line) },
	}
	defer func() {
		for _, err := range []error{lab.Stop(ctx), os.RemoveAll(dir)} {
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
	}()
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", relay, "./testdata/relay").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the relay: %v\n%s", err, out)
		return 1
	}
	if err := lab.Start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := lab.Deploy(ctx, "testdata/lab"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cluster = lab.Config()
	return l.tests.Run()
}
