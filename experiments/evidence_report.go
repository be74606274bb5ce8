package experiments

// What a report says of the evidence for a fault.

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Evidence says what shows that a fault fired.
type Evidence struct {
	Fault  string // for example "delay 2s at 100% on recommendations.shop, in the caller's proxy"
	Source string // where Fired, Of and Parts were read: the first that counted, of Sources; empty when nowhere
	Fired  int    // requests that the fault hit
	Of     int    // requests that met it; zero where the source cannot tell
	Parts  []Part // each step of a ramp, or of a distribution, by itself; none without, or where the source cannot tell
	Off    string // why the fired share cannot be the percent that was asked; empty when it can

	Sources   []Source       // all that spoke of the fault
	Conflict  string         // where they contradict each other; empty when they agree
	Proxies   []Firing       // those that passed requests there, or made the fault
	Arrived   *Propagation   // whether what tells the requests arrives there; nil where that does not matter or cannot be told
	Before    int            // requests of the baseline that were hit in the same way, so by a fault of somebody else; 0 at the Caller site
	Unmet     bool           // of a fault on all traffic: as many requests come to its hop without the load, so they are not the load's
	Unfaulted []string       // pods of the service that got requests and did not have a fault that is for all of them, as "address: requests"
	Flags     map[string]int // requests to the service by Envoy's response flags, as its callers' proxies counted them; nil where not exported

	headers map[string]string // the fault's own, by which it tells its requests; none: the run's
	unsent  []string          // those of them that the load does not send
}

// Source is what one source says of a fault.
type Source struct {
	Name  string // "access log", "fault counters", "request metrics" or "response header"
	Fired int    // requests that the fault hit
	Of    int    // requests that met it; zero where the source cannot tell
}

// Firing is what one proxy did, of those in which a fault is made.
type Firing struct {
	Proxy   string // as "Pod namespace/name"
	Reached int    // requests that came to the hop of the fault in it, whoever sent them
	Matched int    // of those, the ones that the fault is for, by their headers
	Fired   int    // of those, the ones that it hit
	Others  bool   // requests that did not match are not the load's: as many come without it

	known bool // Matched and Fired were read, so that zero means none
}

// Propagation says whether the headers that tell the requests of a fault arrive
// where it is made.
type Propagation struct {
	Reached int      // requests that came there in the fault phase, without those of others that could be told
	Matched int      // of those, the ones with the headers
	Path    []string // services between the load and there, which have to forward the headers, the nearest to the fault first
}

// lines tell the evidence to people; none of a fault that nothing is known of.
func (e Evidence) lines() []string {
	var lines []string
	if e.Fired > 0 {
		lines = append(lines, e.String())
	}
	if len(e.Sources) > 1 || len(e.Sources) == 1 && e.Fired == 0 {
		lines = append(lines, "sources: "+e.sourcesText())
	}
	if e.Conflict != "" {
		lines = append(lines, "contradiction: "+e.Conflict)
	}
	if len(e.Proxies) > 1 || e.Fired == 0 && len(e.Proxies) > 0 {
		lines = append(lines, "requests that matched it, by proxy: "+firingsText(e.Proxies))
	}
	if len(e.Flags) > 0 {
		var flags []string
		for _, flag := range slices.Sorted(maps.Keys(e.Flags)) {
			flags = append(flags, fmt.Sprintf("%s %d", flag, e.Flags[flag]))
		}
		lines = append(lines, "response flags at its callers: "+strings.Join(flags, ", "))
	}
	return lines
}
