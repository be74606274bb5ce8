package injector

import (
	"regexp"
	"slices"
)

// Envoy's response flags (source/common/stream_info/utility.h).
const (
	flagAborted   = "FI"
	flagDelayed   = "DI"
	flagUnhealthy = "UH" // no healthy upstream host
)

// What Envoy's fault filter counts, after the filter's prefix.
const (
	counterAborts = "aborts_injected"
	counterDelays = "delays_injected"
)

// Sign is how the requests that a fault hit, or one part of it, can be told in
// the proxies that make it. It counts only requests that came to the fault: at
// the Caller site to its routes, at the Upstream site into its pods.
type Sign struct {
	Part    string         // which part of the effect, such as "2s on 5%"; "" for all of it
	Percent float64        // their share of the requests that came to the fault; 0: cannot be told
	Flags   []string       // Envoy's response flags, of which they have one; none: every request that came
	ID      *regexp.Regexp // what their x-request-id matches; nil: any
	Counter string         // of Envoy's fault filter, such as "aborts_injected"; "" when it counts none
	Ends    bool           // they go no further: nothing that is behind the fault sees them
	Host    string         // of a service of the run's own that they are sent to; "" for the service that the fault is on
}

// ShownBy reports whether a logged request that came to the fault was hit, by
// its response flags and its x-request-id.
func (s Sign) ShownBy(flags []string, id string) bool {
	flagged := len(s.Flags) == 0 || slices.ContainsFunc(flags, func(f string) bool { return slices.Contains(s.Flags, f) })
	return flagged && (s.ID == nil || s.ID.MatchString(id))
}
