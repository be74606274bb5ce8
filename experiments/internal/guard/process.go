package guard

import (
	"os"
	"sync/atomic"
)

// What makes a process a guard. It is in the environment because the arguments
// of a test binary are not ours to choose.
const (
	marker      = "FAULTLINE_GUARD"
	markerValue = "pipe-v1"
)

// able is a fact about this process, as its arguments are: main has said that the
// executable can be started once more as a guard.
var able atomic.Bool

// Is reports whether this process was started to be a guard. It does so once:
// what the guard itself starts, such as a credential plugin, is none.
func Is() bool {
	is := os.Getenv(marker) == markerValue
	_ = os.Unsetenv(marker) // a name like this can be unset
	return is
}

// Enable says that this executable calls [Is] first thing, and [Main] if so.
func Enable() { able.Store(true) }

// Enabled reports whether this process can have guards.
func Enabled() bool { return able.Load() }
