package meshtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// awaitProxies returns when every proxy has acknowledged what istiod sent it.
func (m *Mesh) awaitProxies(ctx context.Context) error {
	url := "http://" + m.plane.hostPort(m.plane.ports.istiod) + "/debug/syncz"
	err := poll(ctx, func() (bool, error) {
		body, err := get(ctx, http.DefaultClient, url)
		if err != nil {
			return false, err
		}
		late, err := unsynced(body)
		if err == nil && late != "" {
			err = fmt.Errorf("proxy %s", late)
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("proxies: %w", err)
	}
	return nil
}

// unsynced finds a proxy with configuration in flight or refused in istiod's
// /debug/syncz (pilot/pkg/xds/debug.go), and says what it lacks; "" when there
// is none.
func unsynced(syncz []byte) (string, error) {
	var proxies []map[string]any
	if err := json.Unmarshal(syncz, &proxies); err != nil {
		return "", fmt.Errorf("istiod's /debug/syncz: %w", err)
	}
	for _, proxy := range proxies {
		for key, sent := range proxy {
			kind, ok := strings.CutSuffix(key, "_sent")
			if ok && sent != "" && sent != proxy[kind+"_acked"] {
				return fmt.Sprintf("%v has not acknowledged its %s configuration", proxy["proxy"], kind), nil
			}
		}
	}
	return "", nil
}
