package observe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
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
	var data bytes.Buffer
	if err := readInto(&data, body, most); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}

// readInto is readBody into memory that is there.
func readInto(data *bytes.Buffer, body io.ReadCloser, most int64) error {
	data.Reset()
	_, err := data.ReadFrom(io.LimitReader(body, most+1))
	if closeErr := body.Close(); err == nil {
		err = closeErr
	}
	if err == nil && int64(data.Len()) > most {
		err = fmt.Errorf("more than %d bytes", most)
	}
	return err
}

// buffers are memory for answers, used again. The zero buffers have none. Safe for
// concurrent use.
type buffers struct{ free sync.Pool }

func (b *buffers) get() *bytes.Buffer {
	if body, ok := b.free.Get().(*bytes.Buffer); ok {
		return body
	}
	return &bytes.Buffer{}
}

func (b *buffers) put(body *bytes.Buffer) { b.free.Put(body) }
