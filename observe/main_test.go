package observe

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain looks for goroutines that outlive the tests. It looks for some
// time: the SPDY of a server whose client has hung up waits a second for
// somebody to take the error.
func TestMain(m *testing.M) {
	code := m.Run()
	leak := goleak.Find()
	for begin := time.Now(); leak != nil && time.Since(begin) < 3*time.Second; {
		leak = goleak.Find()
	}
	if leak != nil && code == 0 {
		fmt.Fprintln(os.Stderr, leak)
		code = 1
	}
	os.Exit(code)
}
