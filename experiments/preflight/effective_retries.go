package preflight

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	networking "istio.io/api/networking/v1alpha3"
)

// What Istio does when neither the route nor the mesh says anything
// (pilot/pkg/networking/core/route/retry/retry.go).
const (
	defaultAttempts = 2
	defaultRetryOn  = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
)

// Retries are how often a proxy tries a request again, and on what.
type Retries struct {
	Attempts int           // after the first; 0: never
	PerTry   time.Duration // that each try may take, the first included; 0: as long as the route
	On       []string      // Envoy's conditions
	Statuses []int         // statuses that are written among the conditions
	Source   string        // who says so: "route", "mesh" (meshConfig.defaultHttpRetryPolicy) or "default" (Istio's own)

	Written *networking.HTTPRetry // on the route, as the user has it; nil for none
}

// retries returns what is in effect on a route that says own, which may be nil.
func (c *check) retries(own *networking.HTTPRetry) Retries {
	source, written := "route", own
	if own == nil {
		own, source = c.Mesh.GetDefaultHttpRetryPolicy(), "mesh"
	}
	if own == nil {
		return Retries{Attempts: defaultAttempts, On: strings.Split(defaultRetryOn, ","), Source: "default"}
	}
	if own.GetAttempts() <= 0 {
		return Retries{Source: source, Written: written}
	}
	r := Retries{Attempts: int(own.GetAttempts()), PerTry: own.GetPerTryTimeout().AsDuration(), Source: source, Written: written}
	on := own.GetRetryOn()
	if on == "" {
		on = defaultRetryOn
	}
	for part := range strings.SplitSeq(on, ",") {
		part = strings.TrimSpace(part)
		if status, err := strconv.Atoi(part); err == nil && http.StatusText(status) != "" {
			r.Statuses = append(r.Statuses, status)
		} else if part != "" {
			r.On = append(r.On, part)
		}
	}
	return r
}

// covers reports whether an answer with an HTTP status is tried again.
func (r Retries) covers(status int) bool {
	if r.Attempts == 0 {
		return false
	}
	switch {
	case slices.Contains(r.Statuses, status), r.has("retriable-headers"): // which headers, the objects do not tell
		return true
	case r.has("5xx") && status >= 500 && status <= 599:
		return true
	case r.has("gateway-error") && (status == 502 || status == 503 || status == 504):
		return true
	case r.has("retriable-4xx") && status == 409:
		return true
	}
	return false
}

// coversGRPC reports whether an answer with a gRPC status, such as UNAVAILABLE, is
// tried again.
func (r Retries) coversGRPC(status string) bool {
	name := strings.ReplaceAll(strings.ToLower(status), "_", "-")
	return r.Attempts > 0 && slices.Contains([]string{"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"}, name) && r.has(name)
}

// coversTimeouts reports whether a try that took longer than PerTry is followed by
// another.
func (r Retries) coversTimeouts() bool {
	return r.Attempts > 0 && r.PerTry > 0 && (r.has("5xx") || r.has("gateway-error") || r.has("reset"))
}

func (r Retries) has(condition string) bool { return slices.Contains(r.On, condition) }
