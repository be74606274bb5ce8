// Command relay is the lab's only program. Without CALLS it answers 200; with it,
// it hands each request on to that URL and the answer's status back, as a service
// in the middle does. The path says how badly it goes about it, so that a rewrite
// in a VirtualService plays the release that broke something:
//
//	/        forwards baggage and x-faultline-run, as it should
//	/deaf    forwards neither
//	/half    forwards them for every other request, as a sampled trace does
//	/kind    answers 200 whatever came back
//	/cached  asks once a second and answers from memory
//	/loose   goes past its sidecar, to the address in x-past
package main

import (
	"log"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// forwarded are the headers by which requests are told to belong to a run.
var forwarded = []string{"Baggage", "X-Faultline-Run"}

// always are forwarded whatever the path says.
var always = []string{"X-Request-Id", "End-User"}

func main() {
	r := &relay{
		calls:    os.Getenv("CALLS"),
		usual:    &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 100}},
		straight: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
	}
	server := &http.Server{Addr: os.Getenv("LISTEN_ADDR"), Handler: r, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

type relay struct {
	calls    string
	usual    *http.Client // by way of the sidecar
	straight *http.Client // past it
	count    atomic.Int64

	mu    sync.Mutex
	asked time.Time
	last  int // status of the last answer
}

// ServeHTTP plays the part that the path names.
func (r *relay) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	if r.calls == "" {
		return
	}
	odd := r.count.Add(1)%2 == 1
	status := http.StatusOK
	switch in.URL.Path {
	case "/deaf":
		status = r.call(in, false, r.usual, r.calls)
	case "/half":
		status = r.call(in, odd, r.usual, r.calls)
	case "/kind":
		r.call(in, true, r.usual, r.calls)
	case "/cached":
		status = r.cached(in)
	case "/loose":
		status = r.call(in, true, r.straight, "http://"+in.Header.Get("X-Past")+"/")
	default:
		status = r.call(in, true, r.usual, r.calls)
	}
	w.WriteHeader(status)
}

func (r *relay) cached(in *http.Request) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) > time.Second {
		r.last, r.asked = r.call(in, true, r.usual, r.calls), time.Now()
	}
	return r.last
}

// call asks the next service, and returns its status.
func (r *relay) call(in *http.Request, forward bool, client *http.Client, target string) int {
	request, err := http.NewRequestWithContext(in.Context(), in.Method, target, nil)
	if err != nil {
		return http.StatusInternalServerError
	}
	if next, err := url.Parse(r.calls); err == nil {
		request.Host = next.Host
	}
	names := always
	if forward {
		names = append(slices.Clone(always), forwarded...)
	}
	for _, name := range names {
		if value := in.Header.Get(name); value != "" {
			request.Header.Set(name, value)
		}
	}
	answer, err := client.Do(request)
	if err != nil {
		return http.StatusBadGateway
	}
	defer answer.Body.Close()
	return answer.StatusCode
}
