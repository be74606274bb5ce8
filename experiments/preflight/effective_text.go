package preflight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// String says the hop and its policy in one line, such as "callers in shop →
// payments:80: timeout 2s; retries 2 × 500ms on 5xx; ejection after 5 × 5xx in a
// row, at most 1 of 3 hosts, for 3s and up to 1s more; VirtualService
// shop/payments, DestinationRule shop/payments". Of several routes each has a
// line of its own.
func (h Hop) String() string {
	return fmt.Sprintf("%s → %s:%d:%s", h.From, h.To, h.Port.Number, h.policy())
}

// policy says the policy of the hop.
func (h Hop) policy() string {
	if len(h.Routes) == 1 {
		return " " + h.Routes[0].String()
	}
	var lines []string
	for i, r := range h.Routes {
		name := r.Name
		if name == "" {
			name = strconv.Itoa(i + 1)
		}
		lines = append(lines, fmt.Sprintf("\n  route %s: %s", name, r))
	}
	return strings.Join(lines, "")
}

// String says what is in effect on the route and where its requests go.
func (r Route) String() string {
	if r.Direct {
		return "answered by the proxy; " + r.Object
	}
	parts := []string{timeoutText(r.Timeout), r.Retries.String()}
	objects := []string{r.Object}
	if r.Object == "" {
		objects[0] = "no VirtualService"
	}
	for _, d := range r.Destination {
		text := d.Policy.String()
		if len(r.Destination) > 1 || d.Subset != "" {
			text = fmt.Sprintf("%s: %s", d, text)
		}
		parts = append(parts, text)
		for _, o := range d.Policy.Objects {
			if !slices.Contains(objects, o) {
				objects = append(objects, o)
			}
		}
	}
	return strings.Join(append(parts, strings.Join(objects, ", ")), "; ")
}

// String names the destination: "90% to subset v1".
func (d Destination) String() string {
	to := "to " + d.Host
	if d.Subset != "" {
		to = "to subset " + d.Subset
	}
	if d.Share == 1 {
		return to
	}
	return percentText(100*d.Share) + " " + to
}

func percentText(p float64) string { return strconv.FormatFloat(p, 'g', 4, 64) + "%" }

func timeoutText(d time.Duration) string {
	if d == 0 {
		return "no timeout"
	}
	return "timeout " + d.String()
}

// String says how often and on what: "retries 2 × 500ms on 5xx".
func (r Retries) String() string {
	if r.Attempts == 0 {
		return "no retries"
	}
	text := fmt.Sprintf("retries %d", r.Attempts)
	if r.PerTry > 0 {
		text += " × " + r.PerTry.String()
	}
	on := slices.Clone(r.On)
	for _, status := range r.Statuses {
		on = append(on, strconv.Itoa(status))
	}
	text += " on " + strings.Join(on, ",")
	switch r.Source {
	case "mesh":
		text += " (meshConfig.defaultHttpRetryPolicy)"
	case "default":
		text += " (Istio's default)"
	}
	return text
}

// String says what ejects a host, how many, and for how long; "no ejection".
func (p Policy) String() string {
	if p.Missing {
		return "the subset does not exist, so 503"
	}
	var parts []string
	if p.Ejection == nil {
		parts = append(parts, "no ejection")
	} else {
		parts = append(parts, p.Ejection.String()+p.mostText()+fmt.Sprintf(", for %s and up to %s more", p.Ejection.Base, p.Ejection.Interval))
	}
	if limits := p.limits(); limits != "" {
		parts = append(parts, limits)
	}
	return strings.Join(parts, "; ")
}

func (p Policy) mostText() string {
	if !p.HostsKnown {
		return fmt.Sprintf(", at most %d%% of the hosts", p.Ejection.MaxPercent)
	}
	if most := p.Ejection.Most(p.Hosts); most > 0 {
		return fmt.Sprintf(", at most %d of %s", most, plural(p.Hosts, "host"))
	}
	return fmt.Sprintf(", but never: %d%% of %s is none", p.Ejection.MaxPercent, plural(p.Hosts, "host"))
}

// plural says how many there are: "1 host", "3 hosts".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// String says what ejects a host.
func (e *Ejection) String() string {
	var causes []string
	if e.FiveXX > 0 {
		causes = append(causes, fmt.Sprintf("%d × 5xx", e.FiveXX))
	}
	if e.GatewayErrors > 0 {
		causes = append(causes, fmt.Sprintf("%d × 502-504", e.GatewayErrors))
	}
	if e.LocalOrigin > 0 {
		causes = append(causes, fmt.Sprintf("%d failures of its own", e.LocalOrigin))
	}
	if len(causes) == 0 {
		return "ejection after nothing"
	}
	return "ejection after " + strings.Join(causes, " or ") + " in a row"
}

// limits says the limits of the connection pool that are set.
func (p Policy) limits() string {
	var parts []string
	for _, limit := range []struct {
		name  string
		value int32
	}{
		{"maxConnections", p.Pool.GetTcp().GetMaxConnections()},
		{"http1MaxPendingRequests", p.Pool.GetHttp().GetHttp1MaxPendingRequests()},
		{"http2MaxRequests", p.Pool.GetHttp().GetHttp2MaxRequests()},
		{"maxRetries", p.Pool.GetHttp().GetMaxRetries()},
		{"maxRequestsPerConnection", p.Pool.GetHttp().GetMaxRequestsPerConnection()},
	} {
		if limit.value != 0 {
			parts = append(parts, fmt.Sprintf("%s %d", limit.name, limit.value))
		}
	}
	return strings.Join(parts, ", ")
}
