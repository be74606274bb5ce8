package observe

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain looks for goroutines that outlive the tests. The SPDY of a server
// whose client has hung up is forgiven two things: it waits a second for
// somebody to take the error, and a stream that it had not confirmed yet stays
// behind for ever when it is closed.
//
// The benchmarks run this binary as other programs, too.
func TestMain(m *testing.M) {
	if other := otherProgram(); other != nil {
		if err := other(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	code := m.Run()
	server := goleak.IgnoreAnyFunction("k8s.io/cri-streaming/pkg/streaming/portforward.(*httpStreamHandler).portForward")
	leak := goleak.Find(server)
	for begin := time.Now(); leak != nil && time.Since(begin) < 3*time.Second; {
		leak = goleak.Find(server)
	}
	if leak != nil && code == 0 {
		fmt.Fprintln(os.Stderr, leak)
		code = 1
	}
	os.Exit(code)
}

func otherProgram() func() error {
	if url := os.Getenv(loadEnv); url != "" {
		return func() error { return sendLoad(url) }
	}
	clusters, err := strconv.Atoi(os.Getenv(adminEnv))
	if err == nil {
		return func() error { return serveAdmin(clusters) }
	}
	return nil
}
