package observe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// BenchmarkRecorder is what a Recorder costs this process, in percent of one core:
// ten proxies read every 100 ms, all of them busy. What answers it are other
// processes. The mesh is a real one, reached through its API server; simulated
// proxies are reached directly.
func BenchmarkRecorder(b *testing.B) {
	for _, clusters := range []int{10, 100} {
		b.Run(fmt.Sprintf("simulated/clusters=%d", clusters), func(b *testing.B) {
			address := firstLine(b, helper(b, adminEnv, fmt.Sprint(clusters)))
			m := newMesh(nil, func(context.Context, Proxy) (tunnel, error) {
				return &fakeTunnel{address: address, gone: make(chan struct{})}, nil
			})
			defer closeMesh(b, m)
			var proxies []Proxy
			for i := range 10 {
				proxies = append(proxies, Proxy{Namespace: "shop", Pod: fmt.Sprint(i)})
			}
			record(b, m, proxies)
		})
	}
	for _, services := range []int{0, 90} {
		b.Run(fmt.Sprintf("mesh/services=%d", 6+services), func(b *testing.B) { benchmarkMesh(b, services) })
	}
}

// benchmarkMesh records the shop, under load, with one pod and some services more.
func benchmarkMesh(b *testing.B, services int) {
	b.Helper()
	dir := b.TempDir()
	run(b, exec.CommandContext(b.Context(), "go", "build", "-o", dir, "../cmd/faultline", "../examples/shop"))
	more := filepath.Join(dir, "more.yaml")
	if err := os.WriteFile(more, []byte(moreManifest(services)), 0o600); err != nil {
		b.Fatal(err)
	}
	up := exec.CommandContext(b.Context(), filepath.Join(dir, "faultline"), "mesh", "up", "--dir", filepath.Join(dir, "mesh"),
		"-f", "../examples/shop/mesh", "-f", more, "--image", "faultline/shop="+filepath.Join(dir, "shop"))
	up.Cancel = func() error { return up.Process.Signal(os.Interrupt) }
	out := started(b, up)
	firstLine(b, out)
	kubeconfig := strings.TrimPrefix(firstLine(b, out), "export KUBECONFIG=")
	helper(b, loadEnv, strings.TrimPrefix(firstLine(b, out), "gateway: "))

	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		b.Fatal(err)
	}
	m, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer closeMesh(b, m)
	proxies, err := m.Proxies(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if len(proxies) != 10 {
		b.Fatalf("%d proxies, want 10", len(proxies))
	}
	record(b, m, proxies)
}

// record measures while it records; a turn of the benchmark is a second.
func record(b *testing.B, m *Mesh, proxies []Proxy) {
	b.Helper()
	r, err := m.Record(b.Context(), proxies, DefaultInterval)
	if err != nil {
		b.Fatal(err)
	}
	begin, used := time.Now(), cpu(b)
	for b.Loop() {
		<-time.After(time.Second)
	}
	took := time.Since(begin)
	b.ReportMetric(100*float64(cpu(b)-used)/float64(took), "%core")
	if err := r.Stop(); err != nil {
		b.Error(err)
	}
	s, points := r.Series(), 0
	for _, h := range s.Hosts {
		points += len(h.Points)
	}
	if points == 0 {
		b.Error("nothing happened")
	}
	b.ReportMetric(float64(points)/took.Seconds(), "points/s")
}

// cpu is what this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func moreManifest(services int) string {
	var text strings.Builder
	text.WriteString(`
apiVersion: v1
kind: Pod
metadata: {name: more, namespace: shop, labels: {app: inventory}}
spec:
  containers:
  - name: app
    image: faultline/shop
    ports: [{containerPort: 8080, name: http}]
    env: [{name: ROLE, value: inventory}]
`)
	for n := range services {
		fmt.Fprintf(&text, "---\napiVersion: v1\nkind: Service\nmetadata: {name: more-%d, namespace: shop}\n"+
			"spec: {selector: {app: payments}, ports: [{name: http, port: 80, targetPort: 8080}]}\n", n)
	}
	return text.String()
}

// What this test binary is when one of these is in its environment.
const (
	adminEnv = "OBSERVE_TEST_ADMIN" // Envoy's admin, with so many clusters
	loadEnv  = "OBSERVE_TEST_LOAD"  // load on the shop at that address
)

// helper runs this binary as something else until the benchmark ends.
func helper(b *testing.B, env, value string) *bufio.Reader {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), env+"="+value)
	return started(b, cmd)
}

func started(b *testing.B, cmd *exec.Cmd) *bufio.Reader {
	b.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.WaitDelay = 20 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Wait() }) // it was killed
	return bufio.NewReader(out)
}

func run(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

func firstLine(b *testing.B, out *bufio.Reader) string {
	b.Helper()
	line, err := out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func closeMesh(b *testing.B, m *Mesh) {
	b.Helper()
	if err := m.Close(); err != nil {
		b.Error(err)
	}
}

// serveAdmin answers as an Envoy whose counters rise with every question.
func serveAdmin(clusters int) error {
	text := string(manyHosts(clusters))
	var asked atomic.Uint64
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stats" {
			_, _ = io.WriteString(w, `{"stats": []}`)
			return
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(text, `"1234"`, fmt.Sprintf(`"%d"`, 1000+asked.Add(1))))
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return server.Serve(listener)
}

// sendLoad asks for the shop's checkout fifty times a second.
func sendLoad(url string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		request, err := http.NewRequest(http.MethodGet, url+"/checkout", nil)
		if err != nil {
			return err
		}
		request.Host = "shop.example"
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return err
		}
		_ = response.Body.Close()
	}
	return nil
}
