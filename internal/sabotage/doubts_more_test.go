package sabotage

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// backdated answers as nodes would whose clocks are an hour behind: it changes
// the times in what their proxies have logged.
type backdated struct{ next http.RoundTripper }

var stamped = regexp.MustCompile(`(?m)^\[(\d{4}-[^\]]+)\]`)

// RoundTrip does what the type says.
func (b backdated) RoundTrip(q *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(q)
	if err != nil || !strings.HasSuffix(q.URL.Path, "/log") {
		return answer, err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	body = stamped.ReplaceAllFunc(body, func(stamp []byte) []byte {
		at, err := time.Parse(time.RFC3339, string(stamp[1:len(stamp)-1]))
		if err != nil {
			return stamp
		}
		return []byte("[" + at.Add(-time.Hour).Format("2006-01-02T15:04:05.000Z") + "]")
	})
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return answer, nil
}

// theirs is a fault that a user has put on back's pods.
const theirs = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: sabotage-theirs, namespace: lab}
spec:
  workloadSelector: {labels: {app: back}}
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_INBOUND
      listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: sabotage-theirs
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
          abort: {http_status: 500, percentage: {numerator: 10, denominator: HUNDRED}}
`
