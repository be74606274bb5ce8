// The rows of the verdict's table that ask whether the load met the fault.

package experiments

import (
	"fmt"
)

func missed(o outcome) string { return o.Missed }

func lacking(o outcome) string {
	for _, e := range o.Evidence {
		if text := e.lacks(o.asked.alpha()); text != "" {
			return text
		}
	}
	return ""
}

func contradicted(o outcome) string {
	for _, e := range o.Evidence {
		if e.Conflict != "" && e.Fired == 0 {
			return fmt.Sprintf("the sources of the evidence contradict each other (%s): %s; these were requests of others, or of another fault, "+
				"or the access log leaves requests out (a filter in a Telemetry resource)", e.Fault, e.Conflict)
		}
	}
	return ""
}

// silentProxies applies to faults on all traffic; of others it is told by lacking.
func silentProxies(o outcome) string {
	for _, e := range o.Evidence {
		if silent := e.silent(); len(silent) > 0 {
			return fmt.Sprintf("the fault did not fire on every proxy that the load passes (%s): %d of %d proxies had requests and show none that it hit (%s); "+
				"ask istioctl proxy-config whether they have the fault, and restart those that lag", e.Fault, len(silent), len(e.Proxies), firingsText(silent))
		}
	}
	return ""
}
