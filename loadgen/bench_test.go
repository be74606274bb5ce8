package loadgen_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/loadgen"
)

// BenchmarkRate shows how closely a rate is kept. Each run sends for one second
// to a server in the same process. Reported are the requests per second that
// left, measured between the first and the last of them, and how late they did.
func BenchmarkRate(b *testing.B) {
	for _, rate := range []float64{50, 1000, 5000, 10_000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			server := serve(b, func(http.ResponseWriter, *http.Request) {})
			load := loadgen.Load{URL: server.URL, Rate: rate, Duration: time.Second}
			var achieved, p50, p99 float64
			for b.Loop() {
				result := run(b, load)
				n := result.Requests()
				if ok := result.Count(http.StatusOK); ok != int(rate) {
					b.Fatalf("%s, want %v × 200", result, rate)
				}
				first, last := result.Samples[0], result.Samples[n-1]
				sending := last.Intended.Add(last.Lag).Sub(first.Intended.Add(first.Lag))
				achieved += float64(n-1) / sending.Seconds()
				p50 += lag(result, 0.50)
				p99 += lag(result, 0.99)
			}
			b.ReportMetric(achieved/float64(b.N), "sent/s")
			b.ReportMetric(p50/float64(b.N), "lag-p50-ms")
			b.ReportMetric(p99/float64(b.N), "lag-p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func lag(r loadgen.Result, q float64) float64 {
	d, _ := r.LagQuantile(q)
	return d.Seconds() * 1000
}

// BenchmarkResult is what a look at a running load costs after ten minutes at
// 50 a second.
func BenchmarkResult(b *testing.B) {
	r := result(make([]int, 30_000)...)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := r.Quantile(0.99); !ok {
			b.Fatal("no quantile")
		}
	}
}
