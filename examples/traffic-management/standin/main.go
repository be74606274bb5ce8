// Command standin plays the services of the traffic management examples: reviews,
// my-service, ratings, and web, which calls them. At / it answers with its name,
// version and pod. At /NAME it calls http://NAME/, with the request's headers that
// travel, and hands on the answer's status.
//
// It knows nothing of Istio. The environment, all of it optional: NAME, VERSION,
// POD_NAME, and LISTEN_ADDR (":8080").
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// Headers that travel with a request, as any service with tracing hands them on.
var forwarded = [...]string{"baggage", "traceparent", "x-request-id", "end-user"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute,
	}}
	server := &http.Server{
		Addr: cmp.Or(os.Getenv("LISTEN_ADDR"), ":8080"), Handler: handler(client), ReadHeaderTimeout: 10 * time.Second,
	}
	go func() {
		<-ctx.Done()
		_ = server.Close() // nothing is to be saved
	}()
	if err := server.ListenAndServe(); ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "standin: %v\n", err)
		os.Exit(1)
	}
}

func handler(client *http.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{
			"service": os.Getenv("NAME"), "version": os.Getenv("VERSION"), "pod": os.Getenv("POD_NAME"),
		})
	})
	mux.HandleFunc("/{service}", func(w http.ResponseWriter, r *http.Request) {
		status, err := call(client, r, r.PathValue("service"))
		if err != nil {
			reply(w, http.StatusBadGateway, map[string]string{"error": err.Error()})
			return
		}
		reply(w, status, map[string]string{"called": r.PathValue("service")})
	})
	return mux
}

// call returns the status with which a service answers.
func call(client *http.Client, r *http.Request, service string) (int, error) {
	out, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+service+"/", nil)
	if err != nil {
		return 0, err
	}
	for _, name := range forwarded {
		if values := r.Header.Values(name); len(values) > 0 {
			out.Header.Set(name, strings.Join(values, ","))
		}
	}
	answer, err := client.Do(out)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

func reply(w http.ResponseWriter, status int, content map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(content) // the caller has gone
}
