package experiments

import (
	"context"
	"os"

	"github.com/faultline-mesh/faultline/experiments/internal/guard"
)

// Main is what a TestMain, or the main of a program that runs experiments, calls
// first and last:
//
//	func TestMain(m *testing.M) { experiments.Main(m) }
//
// It calls m.Run and exits with its code. The runs in between have a guard: a
// child process, this executable once more, which takes a run's faults out within
// a second when the process is killed, crashes, or is ended by go test -timeout,
// and after 10 s without a sign of life when it is stopped. In the child, Main does
// only that and never calls m.Run. So do nothing before Main that should not be
// done twice.
//
// A guard needs Linux or another Unix, and a rest.Config without code in it (no
// transport, dialer or auth provider of your own). Without a guard, the faults
// of a process that was killed stay until the next run there, or `faultline
// revert --expired`, finds that its Lease is not renewed.
func Main(m interface{ Run() int }) {
	if guard.Is() {
		os.Exit(guard.Main(context.Background())) //nolint:forbidigo // a process begins here
	}
	guard.Enable()
	os.Exit(m.Run())
}
