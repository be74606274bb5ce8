package injector

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain looks for goroutines that are left over. A keeper of an injection
// that a test did not revert finds its Lease gone with the next beat.
func TestMain(m *testing.M) {
	code := m.Run()
	var leak error
	for deadline := time.Now().Add(3 * renewEvery); time.Now().Before(deadline); {
		if leak = goleak.Find(); leak == nil {
			break
		}
	}
	if leak != nil && code == 0 {
		_, _ = os.Stderr.WriteString(leak.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}
