package meshtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/cri-streaming/pkg/streaming/portforward"

	"github.com/faultline-mesh/faultline/meshtest/internal/process"
)

// streamIdle ends a port-forward that nobody has used for so long, as the
// kubelet does.
const streamIdle = 4 * time.Hour

// kubelet serves the part of the kubelet's API that kubectl and client-go reach
// through the API server: container logs and port-forward.
type kubelet struct {
	// pod finds a running pod's address and the log file of one of its containers.
	address func(namespace, pod string) (string, error)
	logFile func(namespace, pod, container string) (string, error)
	istiod  mirror // which is no pod of the node's

	server *http.Server
	done   chan error
}

// serve starts the endpoint; only clients with a certificate of the authority
// get in, which is the API server alone.
func (k *kubelet) serve(hostPort string, ca *authority) error {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return err
	}
	pair, err := ca.issue("kubelet", []string{host})
	if err != nil {
		return err
	}
	certificate, err := tls.X509KeyPair(pair.cert, pair.key)
	if err != nil {
		return fmt.Errorf("kubelet: %w", err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(ca.cert)
	listener, err := net.Listen("tcp", hostPort)
	if err != nil {
		return fmt.Errorf("kubelet: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.logs)
	mux.HandleFunc("/portForward/{namespace}/{pod}", k.forward)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the local mesh serves logs and port-forward only", http.StatusNotImplemented)
	})
	k.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate},
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
		},
	}
	k.done = make(chan error, 1)
	go func() { k.done <- k.server.ServeTLS(listener, "", "") }()
	return nil
}

// close ends the endpoint and every stream on it.
func (k *kubelet) close() error {
	if k.server == nil {
		return nil
	}
	err := k.server.Close()
	if serve := <-k.done; !errors.Is(serve, http.ErrServerClosed) {
		err = errors.Join(err, serve)
	}
	return err
}

func (k *kubelet) logs(w http.ResponseWriter, r *http.Request) {
	namespace, pod := r.PathValue("namespace"), r.PathValue("pod")
	file, err := k.istiod.log, error(nil)
	if !k.istiod.is(namespace, pod) {
		file, err = k.logFile(namespace, pod, r.PathValue("container"))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	options, err := logOptions(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	err = process.ReadLog(r.Context(), file, options, flusher{w})
	if errors.Is(err, os.ErrNotExist) {
		http.Error(w, "the container has not been started yet", http.StatusNotFound)
	}
}

// logOptions reads the query of a log request (PodLogOptions).
func logOptions(query url.Values) (process.LogOptions, error) {
	options := process.LogOptions{Tail: -1}
	var err error
	if tail := query.Get("tailLines"); tail != "" {
		if options.Tail, err = strconv.Atoi(tail); err != nil {
			return options, fmt.Errorf("tailLines: %w", err)
		}
	}
	if since := query.Get("sinceTime"); since != "" {
		if options.Since, err = time.Parse(time.RFC3339, since); err != nil {
			return options, fmt.Errorf("sinceTime: %w", err)
		}
	}
	if since := query.Get("sinceSeconds"); since != "" {
		seconds, err := strconv.Atoi(since)
		if err != nil {
			return options, fmt.Errorf("sinceSeconds: %w", err)
		}
		options.Since = time.Now().Add(-time.Duration(seconds) * time.Second)
	}
	options.Follow = query.Get("follow") == "true"
	options.Timestamps = query.Get("timestamps") == "true"
	return options, nil
}

func (k *kubelet) forward(w http.ResponseWriter, r *http.Request) {
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	namespace, pod := r.PathValue("namespace"), r.PathValue("pod")
	to := dialer{ip: k.istiod.address, ports: k.istiod.ports}
	if !k.istiod.is(namespace, pod) {
		to = dialer{}
		to.ip, err = k.address(namespace, pod)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	portforward.ServePortForward(w, r, to, namespace+"/"+pod, "", options, streamIdle, 30*time.Second, portforward.SupportedProtocols)
}

// dialer forwards streams to the ports of one pod.
type dialer struct {
	ip    string
	ports map[int32]int32 // where they are; one that is not in it has its own number
}

// PortForward copies between the stream and the port until either side ends.
func (d dialer) PortForward(ctx context.Context, _ string, _ string, port int32, stream io.ReadWriteCloser) error {
	if other, moved := d.ports[port]; moved {
		port = other
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address(d.ip, int(port)))
	if err != nil {
		return err
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = io.Copy(stream, conn) // either side may hang up
		_ = stream.Close()           // likewise
	}()
	_, _ = io.Copy(conn, stream) // likewise
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // likewise
	}
	select {
	case <-answered:
	case <-ctx.Done():
	case <-time.After(time.Second): // the client is gone: let a half-open answer go
	}
	return conn.Close()
}

// flusher hands each write on at once, for logs that are followed.
type flusher struct{ http.ResponseWriter }

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	if flush, ok := f.ResponseWriter.(http.Flusher); ok {
		flush.Flush()
	}
	return n, err
}

// podAddress is the address a pod's status shows.
func podAddress(pod *corev1.Pod) (string, error) {
	if pod.Status.PodIP == "" {
		return "", fmt.Errorf("Pod %s/%s has no address yet", pod.Namespace, pod.Name)
	}
	return pod.Status.PodIP, nil
}
