// Package prometheustest runs a real Prometheus server for tests, on loopback.
package prometheustest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/faultline-mesh/faultline/meshtest"
	"github.com/faultline-mesh/faultline/meshtest/internal/process"
)

// Server is a Prometheus server. Use [Start].
type Server struct {
	URL string

	dir     string
	spawner *process.Spawner
	server  *process.Process
}

// configuration scrapes some proxies twice a second.
const configuration = `
global: {scrape_interval: 500ms, scrape_timeout: 500ms}
scrape_configs:
- job_name: proxies
  metrics_path: /stats/prometheus
  static_configs: [{targets: [%s]}]
`

// Start runs a server that scrapes the targets' /stats/prometheus, each as
// "host:port", twice a second, and returns when it answers. Call Stop. The server
// dies with this process, even after SIGKILL.
func Start(ctx context.Context, progress func(string), targets ...string) (s *Server, err error) {
	binary, err := meshtest.EnsurePrometheus(ctx, progress)
	if err != nil {
		return nil, err
	}
	s = &Server{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "prometheus-"); err != nil {
		return nil, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s.URL = "http://" + address
	file := filepath.Join(s.dir, "prometheus.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, configuration, strings.Join(targets, ", ")), 0o600); err != nil {
		return nil, err
	}
	if s.spawner, err = process.NewSpawner(filepath.Join(s.dir, "processes")); err != nil {
		return nil, err
	}
	s.server, err = s.spawner.Start(process.Command{
		Name: "prometheus", Path: binary, Env: os.Environ(), Log: filepath.Join(s.dir, "prometheus.log"),
		Args: []string{
			"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(s.dir, "data"), "--web.listen-address=" + address,
			"--web.console.templates=" + s.dir, "--web.console.libraries=" + s.dir,
		},
	})
	if err != nil {
		return nil, err
	}
	return s, s.server.Ready(ctx, s.answers)
}

// answers asks whether the server is ready.
func (s *Server) answers(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/-/ready", nil)
	if err != nil {
		return err
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}

// Kill ends the server at once, as a crash would.
func (s *Server) Kill() error { return s.server.Stop(0) }

// Stop ends the server and removes what it wrote. Stopping twice is no error.
func (s *Server) Stop() error {
	var err error
	if s.spawner != nil {
		err = s.spawner.Close()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// freeAddress returns an address of loopback on which nobody listens.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
