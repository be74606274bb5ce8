// The rows of the verdict's table about proxies and pods that did not stay.

package experiments

import (
	"fmt"
	"strings"
)

func policyNotInForce(o outcome) string {
	return late(o.Policies, "have the policy that is written, so nothing was injected",
		"wait until istiod has sent it, or look at what keeps it from the proxies, and repeat the run")
}

func restartedBefore(o outcome) string {
	if names := restarted(o, true); names != "" {
		return fmt.Sprintf("nothing was injected, because proxies restarted in the baseline: %s; let them come to rest, and repeat the run", names)
	}
	return ""
}

func restartedAfter(o outcome) string {
	if names := restarted(o, false); names != "" {
		return fmt.Sprintf("proxies restarted while they were observed, so what they had counted and whom they had ejected is lost: %s; "+
			"find out why (kubectl describe pod), and repeat the run", names)
	}
	return ""
}

// restarted names the proxies that restarted, in the baseline or after it.
func restarted(o outcome, before bool) string {
	var names []string
	for _, r := range o.Restarts {
		if (r.Phase == BaselinePhase) == before {
			names = append(names, fmt.Sprintf("%s (%s)", r.Proxy, r.Phase))
		}
	}
	return strings.Join(names, ", ")
}

func vanished(o outcome) string {
	if o.Vanished == "" {
		return ""
	}
	return o.Vanished + ", so what was measured is not the fault's doing alone; find out what took the pods away, and repeat the run"
}
