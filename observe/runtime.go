package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// adminLayer is the name of the runtime layer that the admin writes, in Istio's
// bootstrap (tools/packaging/common/envoy_bootstrap.json).
const adminLayer = "admin"

// OverrideRuntime sets a key of a proxy's runtime over all that its configuration
// says, or with an empty value takes the override off. It holds at once, needs
// no istiod, and is gone when the proxy restarts. This is the only thing in this
// package that changes anything. It takes 5 seconds at most, and may be repeated.
func (m *Mesh) OverrideRuntime(ctx context.Context, p Proxy, key, value string) error {
	query := url.QueryEscape(key) + "=" + url.QueryEscape(value)
	_, err := m.do(ctx, http.MethodPost, p, "/runtime_modify?"+query, readTimeout)
	return err
}

// RuntimeOverride returns what [Mesh.OverrideRuntime], or anybody else through the
// proxy's admin, has set a key to; empty when it is not overridden.
func (m *Mesh) RuntimeOverride(ctx context.Context, p Proxy, key string) (string, error) {
	data, err := m.do(ctx, http.MethodGet, p, "/runtime", readTimeout)
	if err != nil {
		return "", err
	}
	value, err := parseRuntime(data, key)
	if err != nil {
		return "", fmt.Errorf("runtime of %s: %w", p, err)
	}
	return value, nil
}

// parseRuntime returns the admin layer's value of a key.
func parseRuntime(data []byte, key string) (string, error) {
	var answer struct {
		Layers  []string `json:"layers"`
		Entries map[string]struct {
			LayerValues []string `json:"layer_values"`
		} `json:"entries"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return "", err
	}
	layer := slices.Index(answer.Layers, adminLayer)
	if layer < 0 {
		return "", fmt.Errorf("it has no layer %q, only %q", adminLayer, answer.Layers)
	}
	if values := answer.Entries[key].LayerValues; layer < len(values) {
		return values[layer], nil
	}
	return "", nil
}
