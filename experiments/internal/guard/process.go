package guard

import (
	"os"
	"sync"
	"sync/atomic"
)

// What makes a process a guard. It is in the environment because the arguments
// of a test binary are not ours to choose.
const (
	marker      = "FAULTLINE_GUARD"
	markerValue = "pipe-v1"
)

// These two are facts about the process, as its arguments are: whether its main
// has said that the executable can be started once more as a guard, and whether
// somebody was told that it has not.
var (
	able atomic.Bool
	told sync.Once
)

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

// OnceUnable calls tell the first time in this process.
func OnceUnable(tell func()) { told.Do(tell) }
