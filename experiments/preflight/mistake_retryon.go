package preflight

import (
	"fmt"
	"slices"
	"strings"
)

// retriesMissHTTPErrors finds retries without retryOn, which are believed to
// cover answers with 5xx.
func retriesMissHTTPErrors(c *check) []Finding {
	return c.eachRoute(func(_ Hop, r Route) string {
		if r.Retries.Attempts == 0 || r.Retries.Written == nil || r.Retries.Written.GetRetryOn() != "" {
			return ""
		}
		return fmt.Sprintf("has retries (attempts %d) and no retryOn: Istio then tries again after failed connections, refused streams and the gRPC statuses UNAVAILABLE and CANCELLED, "+
			"and never after an HTTP 500 or 503. Say what is meant, such as retryOn: 5xx, or gateway-error, which leaves 500 out. "+
			"An upstream abort shows it: one try for each request.", r.Retries.Attempts)
	})
}

// retryOnNoStatus finds a retryOn by which no HTTP answer is ever tried again.
func retryOnNoStatus(c *check) []Finding {
	return c.eachRoute(func(h Hop, r Route) string {
		on := r.Retries.Written.GetRetryOn()
		if r.Retries.Attempts == 0 || on == "" {
			return ""
		}
		bare := r.Retries.has("retriable-status-codes") && len(r.Retries.Statuses) == 0
		switch {
		case r.Retries.onAnswers(h.Port):
			if !bare {
				return ""
			}
			return fmt.Sprintf("has retriable-status-codes in retryOn (%s) and no code beside it, so that it adds nothing. Write the codes there, as in retryOn: %s,503.", on, on)
		case bare:
			return fmt.Sprintf("has retriable-status-codes in retryOn (%s) and no code beside it: no answer is tried again, whatever its status. "+
				"Write the codes there, as in retryOn: %s,503. An upstream abort with 503 shows it: one try for each request.", on, on)
		}
		return fmt.Sprintf("has a retryOn (%s) without any HTTP status: no answer is tried again, only connections that fail. "+
			"If errors should be, add 5xx, gateway-error, or single codes such as 503. An upstream abort with 503 shows it: one try for each request.", on)
	})
}

// onAnswers says whether some answer of a service is tried again: by its HTTP
// status or headers, or for gRPC ports by the gRPC status.
func (r Retries) onAnswers(port Port) bool {
	grpc := func(on string) bool {
		return slices.Contains([]string{"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"}, on)
	}
	return len(r.Statuses) > 0 || r.has("5xx") || r.has("gateway-error") || r.has("retriable-4xx") || r.has("retriable-headers") ||
		strings.HasPrefix(port.Protocol, "GRPC") && slices.ContainsFunc(r.On, grpc)
}
