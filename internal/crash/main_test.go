package crash

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/meshtest"
)

var (
	kills = flag.Int("crash.n", 300, "processes that TestCrash kills")
	seed  = flag.Uint64("crash.seed", 0, "where the random choices of TestCrash begin; 0: anywhere")

	mesh meshtest.Mesh
)

// TestMain is a worker's main, too: workers are this very binary.
func TestMain(m *testing.M) {
	if job := os.Getenv(workerEnv); job != "" {
		os.Exit(work(context.Background(), job))
	}
	flag.Parse()
	quiet()
	os.Exit(withMesh(m))
}

// quiet keeps client-go from telling of answers that were cut.
func quiet() {
	flags := flag.NewFlagSet("klog", flag.PanicOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{"logtostderr": "false", "stderrthreshold": "FATAL"} {
		if err := flags.Set(name, value); err != nil {
			panic(err)
		}
	}
	klog.SetOutput(io.Discard)
}

func withMesh(m *testing.M) (code int) {
	ctx := context.Background()
	mesh.Progress = func(line string) { fmt.Fprintln(os.Stderr, line) }
	if err := mesh.Start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := mesh.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	return m.Run()
}

// unthrottled is how tests reach the API server: as an administrator who does
// not queue behind himself.
func unthrottled() *rest.Config {
	config := mesh.Config()
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	return config
}

func newClient(tb testing.TB) dynamic.Interface {
	tb.Helper()
	client, err := dynamic.NewForConfig(unthrottled())
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

func newInjector(tb testing.TB, config *rest.Config, options ...injector.Option) *injector.Injector {
	tb.Helper()
	in, err := injector.New(config, options...)
	if err != nil {
		tb.Fatal(err)
	}
	return in
}
