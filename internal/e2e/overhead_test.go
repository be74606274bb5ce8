package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// BenchmarkOverhead is the time that a run on the shop takes beyond its phases,
// and of which the steps take.
func BenchmarkOverhead(b *testing.B) {
	for name, site := range map[string]injector.Site{"caller": injector.Caller, "upstream": injector.Upstream} {
		b.Run(name, func(b *testing.B) {
			var total []time.Duration
			steps := map[string]time.Duration{}
			e := inventoryDown(time.Second)
			e.Faults[0].Site = site
			e.Settle, e.Recovery = time.Second, time.Second
			for b.Loop() {
				report, err := newRunner(b).Run(b.Context(), e)
				if err != nil || report.Verdict != experiments.Held {
					b.Fatalf("%v\n%s", err, report)
				}
				total = append(total, report.Overhead.Total)
				for _, s := range report.Overhead.Steps {
					steps[s.Step] += s.Took
				}
				b.Log(report.Overhead)
			}
			slices.Sort(total)
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			b.ReportMetric(ms(total[len(total)/2]), "p50-ms")
			b.ReportMetric(ms(total[len(total)-1]), "max-ms")
		})
	}
	noLeftovers(b)
}

// BenchmarkBarrierOf50Sidecars is the time until 50 real sidecars more than the
// shop's show a fault, and until they have dropped it, as the reports have it.
func BenchmarkBarrierOf50Sidecars(b *testing.B) {
	const crowd = 50
	deployment := fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: crowd, namespace: shop}
spec:
  replicas: %d
  selector: {matchLabels: {app: crowd}}
  template:
    metadata: {labels: {app: crowd}}
    spec:
      containers:
      - name: app
        image: faultline/shop
        ports: [{containerPort: 8080, name: http}]
        env: [{name: ROLE, value: inventory}]
`, crowd)
	if err := mesh.DeployYAML(b.Context(), deployment); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ctx := context.WithoutCancel(b.Context())
		if err := admin(b).AppsV1().Deployments("shop").Delete(ctx, "crowd", metav1.DeleteOptions{}); err != nil {
			b.Error(err)
		}
		eventually(b, "the crowd is gone", func() bool {
			pods, err := admin(b).CoreV1().Pods("shop").List(ctx, metav1.ListOptions{LabelSelector: "app=crowd"})
			return err == nil && len(pods.Items) == 0
		})
	})
	var in, out []time.Duration
	e := inventoryDown(time.Second)
	e.Settle = time.Second
	for b.Loop() {
		report, err := newRunner(b).Run(b.Context(), e)
		if err != nil || report.Injected.Proxies < crowd || len(report.Injected.Late)+len(report.Reverted.Late) > 0 {
			b.Fatalf("%v\n%s", err, report)
		}
		in, out = append(in, report.Injected.Max), append(out, report.Reverted.Max)
		b.Logf("%d proxies; in after %s (half %s), out after %s; beyond its phases %s", report.Injected.Proxies, report.Injected.Max,
			report.Injected.P50, report.Reverted.Max, report.Overhead)
	}
	b.ReportMetric(float64(slices.Max(in).Milliseconds()), "in-max-ms")
	b.ReportMetric(float64(slices.Max(out).Milliseconds()), "out-max-ms")
	noLeftovers(b)
}
