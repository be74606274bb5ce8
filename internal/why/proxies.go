package why

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/faultline-mesh/faultline/internal/bundle"
)

// showed tells what each proxy showed, the objects that rule the hosts, and what
// happened to pods.
func (s seen) showed() []string {
	var lines, quiet []string
	for _, p := range s.Proxies {
		if isQuiet(p) {
			quiet = append(quiet, fmt.Sprintf("%s (%d requests)", p.Name, p.Requests))
		} else {
			lines = append(lines, proxyLines(p)...)
		}
	}
	if len(quiet) > 0 {
		lines = append(lines, "in order, with nothing of note in their logs: "+strings.Join(quiet, ", "))
	}
	return append(lines, s.around()...)
}

// around tells what is not of one proxy.
func (s seen) around() []string {
	var lines []string
	for _, o := range s.Objects {
		if strings.HasPrefix(o.Ref, "VirtualService") || strings.HasPrefix(o.Ref, "DestinationRule") {
			lines = append(lines, fmt.Sprintf("%s rules %s", o.Ref, strings.Join(o.Hosts, ", ")))
		}
	}
	for _, e := range s.Events {
		lines = append(lines, fmt.Sprintf("event %s %s: %s: %s (×%d)", e.At.UTC().Format(clock), e.Object, e.Reason, e.Message, e.Count))
	}
	if s.Took != "" && len(s.Events) == 0 {
		lines = append(lines, "no event of a pod")
	}
	for _, m := range s.Missing {
		lines = append(lines, "not to be had: "+m)
	}
	var texts []string
	for _, of := range slices.Sorted(maps.Keys(s.Versions)) {
		texts = append(texts, of+" "+s.Versions[of])
	}
	if len(texts) > 0 {
		lines = append(lines, "versions: "+strings.Join(texts, ", "))
	}
	return lines
}

// isQuiet reports whether a proxy has nothing to tell: in step with istiod, no
// certificate to look at, and no request that the fault or Envoy marked.
func isQuiet(p bundle.Proxy) bool {
	return p.Met+p.Faulted+len(p.Flags)+len(p.Certificates) == 0 && !p.Refused && !p.Pending
}

func proxyLines(p bundle.Proxy) []string {
	const few = 2
	head := fmt.Sprintf("%s (%s)", p.Name, strings.Join(p.Roles, ", "))
	if p.Envoy != "" {
		head += fmt.Sprintf(", Envoy %s, up for %s", p.Envoy, short(p.Uptime))
	}
	lines := []string{head}
	add := func(format string, args ...any) { lines = append(lines, "    "+fmt.Sprintf(format, args...)) }
	if p.Sync != "" {
		add("istiod: %s", p.Sync)
	}
	if len(p.Certificates) == 0 {
		add("certificates: none, so it speaks plain text")
	}
	for _, c := range p.Certificates {
		add("certificate (%s) of %s: until %s", c.Of, strings.Join(c.Names, ", "), c.Expires.UTC().Format("2006-01-02 15:04:05"))
	}
	if len(p.Transport) > 0 {
		add("reaches %s", strings.Join(p.Transport, "; "))
	}
	add("access log: %d requests, %d came to the fault, %d were hit; flags: %s", p.Requests, p.Met, p.Faulted, flagList(p.Flags))
	for _, line := range p.Marked[max(0, len(p.Marked)-few):] {
		add("  %s", line)
	}
	for _, line := range p.Log[max(0, len(p.Log)-few):] {
		add("log: %s", clipped(line))
	}
	return lines
}

// clipped shortens a line that nobody reads to its end.
func clipped(line string) string {
	const most = 200
	if letters := []rune(line); len(letters) > most {
		return string(letters[:most]) + "…"
	}
	return line
}

func flagList(flags map[string]int) string {
	if len(flags) == 0 {
		return "none"
	}
	var texts []string
	for _, flag := range slices.Sorted(maps.Keys(flags)) {
		text := fmt.Sprintf("%s ×%d", flag, flags[flag])
		if means := meaning(flag); means != "" {
			text += " (" + means + ")"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

// meaning says a response flag of Envoy in words.
func meaning(flag string) string {
	return map[string]string{
		"FI": "an abort", "DI": "a delay", "UH": "no healthy host", "UF": "no connection to the host", "UO": "circuit breaker overflow",
		"URX": "retries used up", "UT": "upstream timeout", "NR": "no route", "NC": "no such cluster", "UC": "connection ended by the host",
		"DC": "connection ended by the client", "UR": "reset by the host", "RL": "rate limit", "UAEX": "denied", "LR": "local reset",
	}[flag]
}
