package loadgen_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/faultline-mesh/faultline/loadgen"
)

// shop answers every request of the examples but those of the path /payments.
func shop() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/payments" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
}

func ExampleLoad_Run() {
	server := shop()
	defer server.Close()

	load := loadgen.Load{URL: server.URL + "/checkout", Rate: 100, Duration: 200 * time.Millisecond}
	result, err := load.Run(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	rate, _ := result.SuccessRate()
	fmt.Printf("%d requests, success rate %v\n", result.Requests(), rate)
	// Output: 20 requests, success rate 1
}

// A load without a Duration lasts as long as its context, here until something
// else has been seen.
func ExampleLoad_Start() {
	server := shop()
	defer server.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	running, err := loadgen.Load{URL: server.URL + "/payments", Rate: 500}.Start(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for tick := time.Tick(5 * time.Millisecond); running.Result().Count(503) < 10; {
		<-tick
	}
	cancel()
	result, err := running.Wait()
	fmt.Println(result.Requests() >= 10, err)
	// Output: true <nil>
}

func ExampleLoad_Validate() {
	fmt.Println(loadgen.Load{URL: "shop.example/checkout", Rate: -5}.Validate())
	// Output:
	// url: "shop.example/checkout" begins with neither http:// nor https://
	// rate: -5 is not a positive number of requests per second
}

// A run is cut into its phases after it.
func ExampleResult_Between() {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var result loadgen.Result
	for i, code := range []int{200, 200, 200, 503, 503, 503, 200} {
		result.Samples = append(result.Samples, loadgen.Sample{
			Seq:      uint64(i),
			Intended: begin.Add(time.Duration(i) * time.Second),
			Latency:  time.Duration(10+i) * time.Millisecond,
			Code:     code,
		})
	}
	injected, reverted := begin.Add(3*time.Second), begin.Add(6*time.Second)
	fmt.Println(result)
	fmt.Println("during:", result.Between(injected, reverted))
	fmt.Println("recovery:", result.Between(reverted, begin.Add(time.Hour)))
	// Output:
	// 7 requests, 57.1% ok (200 ×4, 503 ×3), p50 13ms, p99 16ms
	// during: 3 requests, 0.0% ok (503 ×3), p50 14ms, p99 15ms
	// recovery: 1 request, 100.0% ok (200 ×1), p50 16ms, p99 16ms
}
