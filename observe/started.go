package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// startedPath shows when Envoy took in the clusters of its bootstrap, which it
// does once in its life, and little else.
const startedPath = "/config_dump?resource=static_clusters&mask=last_updated"

// Started returns when the proxy's Envoy began, by its own clock and to the
// millisecond. The same process always gives the same time, and another process
// another, so two answers that differ say that the proxy restarted: what it had
// counted, and whom it had ejected, is lost. It takes 5 seconds at most.
func (m *Mesh) Started(ctx context.Context, p Proxy) (time.Time, error) {
	data, err := m.do(ctx, http.MethodGet, p, startedPath, readTimeout)
	if err != nil {
		return time.Time{}, err
	}
	at, err := parseStarted(data)
	if err != nil {
		return time.Time{}, fmt.Errorf("read when %s began: %w", p, err)
	}
	return at, nil
}

// parseStarted returns the earliest time in a dump of static clusters.
func parseStarted(data []byte) (time.Time, error) {
	var answer struct {
		Configs []struct {
			At time.Time `json:"last_updated"`
		} `json:"configs"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return time.Time{}, err
	}
	var first time.Time
	for _, c := range answer.Configs {
		if first.IsZero() || !c.At.IsZero() && c.At.Before(first) {
			first = c.At
		}
	}
	if first.IsZero() {
		return time.Time{}, errors.New("it has no static clusters")
	}
	return first, nil
}
