package meshtest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faultline-mesh/faultline/meshtest"
)

// BenchmarkStart is the time from nothing to a mesh with its gateway, from a
// seeded etcd directory.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		mesh := &meshtest.Mesh{}
		if err := mesh.Start(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		stopBench(b, mesh)
		b.StartTimer()
	}
}

// BenchmarkSidecar is the time to deploy one more meshed pod, from the write to
// ready in every proxy.
func BenchmarkSidecar(b *testing.B) {
	n := 0
	for b.Loop() {
		n++
		pod := fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: more-%d, namespace: shop, labels: {app: more}}
spec:
  containers:
  - name: app
    image: faultline/shop
    ports: [{containerPort: 8080, name: http}]
    env: [{name: ROLE, value: inventory}]
`, n)
		if err := shared.DeployYAML(b.Context(), pod); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	c := client(b)
	if err := c.CoreV1().Pods("shop").DeleteCollection(b.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "app=more"}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkMemory reports the proportional memory of the mesh with the shop, all
// its processes together.
func BenchmarkMemory(b *testing.B) {
	var total float64
	for b.Loop() {
		total = 0
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			b.Fatal(err)
		}
		for _, file := range files {
			line, err := os.ReadFile(file)
			if err == nil && (strings.Contains(string(line), shared.Dir) || strings.Contains(string(line), shop)) {
				total += pss(filepath.Join(filepath.Dir(file), "smaps_rollup"))
			}
		}
	}
	b.ReportMetric(total/1024/1024, "GiB")
}

// pss reads a process's proportional set size in KiB.
func pss(file string) float64 {
	content, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(content)) {
		var kib float64
		if _, err := fmt.Sscanf(line, "Pss: %f kB", &kib); err == nil {
			return kib
		}
	}
	return 0
}

func stopBench(b *testing.B, mesh *meshtest.Mesh) {
	b.Helper()
	if err := mesh.Stop(context.WithoutCancel(b.Context())); err != nil {
		b.Fatal(err)
	}
}
