package preflight

import (
	"fmt"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// faultBesidePolicy finds a user's own fault on a route with timeout or retries,
// which never see it.
func faultBesidePolicy(c *check) []Finding {
	return c.eachRoute(func(_ Hop, r Route) string {
		var policies []string
		if r.Timeout > 0 {
			policies = append(policies, timeoutText(r.Timeout))
		}
		if r.Retries.Written != nil && r.Retries.Attempts > 0 {
			policies = append(policies, fmt.Sprintf("retries %d", r.Retries.Attempts))
		}
		if r.Fault == nil || len(policies) == 0 {
			return ""
		}
		what := "an aborted request is answered before it is routed, so no try is made"
		if r.Fault.GetAbort() == nil {
			what = "a delayed request waits before it is routed, and the clocks start afterwards"
		}
		return fmt.Sprintf("has a fault of its own beside %s: the proxy makes the fault first, and %s. The fault tests the caller's application, never this route's policy. "+
			"To test the policy take the fault out and use one at the upstream site.", strings.Join(policies, " and "), what)
	})
}

// faultWithoutPercentage finds a user's own fault that never fires.
func faultWithoutPercentage(c *check) []Finding {
	return c.eachRoute(func(_ Hop, r Route) string {
		var parts []string
		if d := r.Fault.GetDelay(); d != nil && d.GetPercentage() == nil && oldPercent(d) == 0 {
			parts = append(parts, "delay")
		}
		if a := r.Fault.GetAbort(); a != nil && a.GetPercentage() == nil {
			parts = append(parts, "abort")
		}
		if len(parts) == 0 {
			return ""
		}
		return fmt.Sprintf("has a fault (%s) without percentage, which Istio takes for 0%%, not for 100%%: it never fires. Write percentage: {value: 100}, or the share that is meant.",
			strings.Join(parts, " and "))
	})
}

func oldPercent(d *networking.HTTPFaultInjection_Delay) int32 {
	return d.GetPercent() //nolint:staticcheck // Istio still reads the deprecated field
}
