// Command shop is faultline's demo system: one small program that plays all five
// services of a web shop. ROLE (or the first argument) says which one:
//
//	frontend ─► checkout ─┬─► payments
//	                      ├─► recommendations
//	                      └─► inventory
//
// It knows nothing of Istio and nothing of faultline, except that it forwards
// the headers listed in forwarded, as any service with tracing does. Services
// call each other by name on port 80, through HTTP_PROXY where that is set.
//
// The environment, all of it optional but ROLE:
//
//	ROLE                     frontend, checkout, payments, recommendations or inventory
//	LISTEN_ADDR              where it listens; :8080
//	POD_NAME                 name it gives in answers; the host's name
//	VERSION                  version it gives in answers
//	RECOMMENDATIONS_TIMEOUT  how long checkout waits for recommendations; 300ms
//	PAYMENTS_TIMEOUT, INVENTORY_TIMEOUT  the same for these two; 10s
//	CHECKOUT_TIMEOUT         how long frontend waits for checkout; 15s
//	FORWARD                  none: forward no headers, as services without tracing do
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// shutdownGrace is how long requests in flight may take after SIGTERM.
const shutdownGrace = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "shop: %v\n", err)
		os.Exit(1)
	}
}

// run serves one role until ctx ends, then lets requests in flight finish.
func run(ctx context.Context, args []string) error {
	service, err := configure(args, os.Getenv, &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: 256, // every call goes to the one sidecar
		IdleConnTimeout:     90 * time.Second,
	}})
	if err != nil {
		return err
	}
	handler, err := service.handler()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN_ADDR"), ":8080"))
	if err != nil {
		return err
	}
	fmt.Printf("%s (%s) listens on %s\n", service.role, service.pod, listener.Addr())

	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	return server.Shutdown(grace)
}

// configure reads a service from arguments and environment. It names everything
// that is wrong with them at once.
func configure(args []string, getenv func(string) string, client *http.Client) (*service, error) {
	s := &service{role: getenv("ROLE"), pod: getenv("POD_NAME"), version: getenv("VERSION"), client: client}
	if len(args) > 0 {
		s.role = args[0]
	}
	var problems []error
	if s.pod == "" {
		host, err := os.Hostname()
		s.pod, problems = host, append(problems, err)
	}
	switch forward := getenv("FORWARD"); forward {
	case "":
		s.forwards = forwarded[:]
	case "none":
	default:
		problems = append(problems, fmt.Errorf("FORWARD: found %q, want none, or nothing", forward))
	}
	timeout := func(variable, byDefault string) time.Duration {
		d, err := time.ParseDuration(cmp.Or(getenv(variable), byDefault))
		if err == nil && d <= 0 {
			err = fmt.Errorf("%s is not a positive duration", d)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", variable, err))
		}
		return d
	}
	s.timeouts = map[string]time.Duration{
		"checkout":        timeout("CHECKOUT_TIMEOUT", "15s"),
		"payments":        timeout("PAYMENTS_TIMEOUT", "10s"),
		"inventory":       timeout("INVENTORY_TIMEOUT", "10s"),
		"recommendations": timeout("RECOMMENDATIONS_TIMEOUT", "300ms"),
	}
	return s, errors.Join(problems...)
}
