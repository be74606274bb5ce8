package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

// buildEndings builds the test processes that end badly; they go with the mesh.
var buildEndings = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(mesh.Dir, "endings.test")
	if out, err := exec.Command("go", "test", "-c", "-o", binary, "./testdata/endings").CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return binary, nil
})

// ending is one of them.
func ending(t *testing.T, test, timeout string, env ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	binary, err := buildEndings()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.run=^"+test+"$", "-test.timeout="+timeout, "-test.v")
	cmd.Env = append(append(os.Environ(), "KUBECONFIG="+mesh.Kubeconfig()), env...)
	said := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = said, said
	return cmd, said
}

// left returns what is in the mesh of any run.
func left(t *testing.T) []injector.Leftover {
	t.Helper()
	in, err := injector.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	found, err := in.Leftovers(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var guardSays = regexp.MustCompile(`faultline: guard: the process of run [0-9a-f]+ is gone: taking its faults out
faultline: guard: took run [0-9a-f]+ out of the mesh, [0-9a-zµ.]+ after it was alone`)

// However a test process ends in the middle of a run, its guard takes the fault out.
// Waiting for the process here is also waiting for the guard, which has its stderr.
func TestAProcessThatEndsBadlyLeavesNothing(t *testing.T) {
	for test, want := range map[string]string{
		"TestHangs":           "panic: test timed out after 4s",
		"TestKillsItself":     "",
		"TestExits":           "",
		"TestPanicsElsewhere": "panic: a goroutine of the user's panics",
	} {
		t.Run(test, func(t *testing.T) {
			cmd, said := ending(t, test, "4s")
			err := cmd.Run()
			noLeftovers(t)
			if err == nil || !guardSays.MatchString(said.String()) || !strings.Contains(said.String(), want) {
				t.Errorf("%v; it said\n%s", err, said)
			}
		})
	}
}

// The same without a guard: a hint is given once, and the fault stays, so that the
// test above sees what it claims to see.
func TestAProcessWithoutAGuardLeavesItsFault(t *testing.T) {
	cmd, said := ending(t, "TestExits", "1m", "UNGUARDED=1")
	err := cmd.Run()
	found := left(t)
	if len(found) != 1 || err == nil {
		t.Fatalf("left %v, %v; it said\n%s", found, err, said)
	}
	in, err := injector.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.RevertLeftovers(t.Context(), found); err != nil {
		t.Error(err)
	}
	noLeftovers(t)
	cmd, said = ending(t, "TestHolds", "1m", "UNGUARDED=1")
	if err := cmd.Run(); err != nil || strings.Count(said.String(), "let TestMain call experiments.Main(m)") != 1 {
		t.Errorf("%v; it said\n%s", err, said)
	}
	cmd, said = ending(t, "TestHolds", "1m")
	if err := cmd.Run(); err != nil || strings.Contains(said.String(), "guard") {
		t.Errorf("%v; it said\n%s", err, said)
	}
	noLeftovers(t)
}

// Before go test ends the process, the run has ended itself.
func TestARunEndsBeforeTheDeadline(t *testing.T) {
	cmd, said := ending(t, "TestInTime", "8s")
	err := cmd.Run()
	noLeftovers(t)
	if err == nil || strings.Contains(said.String(), "guard") || !strings.Contains(said.String(), "the test's deadline is near") ||
		!strings.Contains(said.String(), "every fault is out again") {
		t.Errorf("%v; it said\n%s", err, said)
	}
}

// A process that is stopped for longer than its Lease loses its fault, and knows
// it when it goes on.
func TestAProcessThatIsStopped(t *testing.T) {
	cmd, said := ending(t, "TestIsLong", "1m")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the run injects", func() bool { return len(left(t)) > 0 })
	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the guard takes the fault out", func() bool { return len(left(t)) == 0 })
	if took := time.Since(began); took < injector.DefaultLeaseDuration-2*time.Second {
		t.Errorf("the guard did not wait for the Lease: %s", took)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	const want = "Inconclusive: inventory is down when this process ends: the run was not completed: "
	eventually(t, "the second run of that process injects", func() bool { return len(left(t)) > 0 })
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if !strings.Contains(said.String(), want+"evicted: ") && !strings.Contains(said.String(), want+"lease lost: ") {
		t.Errorf("it said\n%s", said)
	}
	noLeftovers(t)
}
