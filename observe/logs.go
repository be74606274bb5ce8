package observe

import (
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Logs returns what the proxy wrote since a time: its access log, if it has
// one. The zero time asks for all. The API counts in whole seconds, so that
// lines from the begin of that second are there too. It takes 30 seconds at
// most.
func (m *Mesh) Logs(ctx context.Context, p Proxy, since time.Time) ([]byte, error) {
	options := &corev1.PodLogOptions{Container: proxyContainer}
	if !since.IsZero() {
		options.SinceTime = &metav1.Time{Time: since}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, dumpTimeout, timeoutError(dumpTimeout))
	defer cancel()
	lines, err := m.pods.Pods(p.Namespace).GetLogs(p.Pod, options).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("get logs of %s: %w", p, err)
	}
	data, err := readBody(lines, maxBody)
	if err != nil {
		return nil, fmt.Errorf("get logs of %s: %w", p, err)
	}
	return data, nil
}

// maxBody bounds what is read into memory at a time.
const maxBody = 512 << 20

// readBody reads all of body, up to most bytes, and closes it.
func readBody(body io.ReadCloser, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(body, most+1))
	if closeErr := body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("more than %d bytes", most)
	}
	return data, nil
}
