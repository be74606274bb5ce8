//go:build unix

package guard

import (
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// detach makes command a session of its own: what the terminal sends to the
// parent's does not reach it.
func detach(command *exec.Cmd) error {
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return nil
}

// stand keeps the guard alive when whoever stops the parent signals every process
// there is, and when nobody reads what it says.
func stand() {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
}

// self is this executable, on Linux even when its file was replaced or removed.
func self() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}
