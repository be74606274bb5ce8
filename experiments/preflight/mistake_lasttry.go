package preflight

import (
	"fmt"
	"time"
)

// lastTryNeverEnds finds routes whose timeout ends before all the tries can.
func lastTryNeverEnds(c *check) []Finding {
	return c.eachRoute(func(_ Hop, r Route) string {
		tries := r.Retries.Attempts + 1
		need := time.Duration(tries) * r.Retries.PerTry
		switch {
		case r.Timeout <= 0 || r.Retries.Attempts == 0 || need <= r.Timeout:
			return ""
		case r.Retries.PerTry >= r.Timeout:
			return fmt.Sprintf("ends a request after %s (timeout), before the perTryTimeout of even its first try, %s: a slow try is never followed by another. "+
				"Set perTryTimeout to %s or less, so that %d tries fit, or timeout to %s or more.",
				r.Timeout, r.Retries.PerTry, share(r.Timeout, tries), tries, need)
		}
		text := fmt.Sprintf("allows %d tries of %s each (retries.attempts %d, perTryTimeout), %s in all, and ends the request after %s (timeout): "+
			"when tries are slow, only %d of them run to their end. Set timeout to %s or more, or perTryTimeout to %s or less.",
			tries, r.Retries.PerTry, r.Retries.Attempts, need, r.Timeout, r.Timeout/r.Retries.PerTry, need, share(r.Timeout, tries))
		begin := int((r.Timeout + r.Retries.PerTry - 1) / r.Retries.PerTry)
		if r.Retries.coversTimeouts() && begin < tries {
			text += fmt.Sprintf(" An upstream delay above %s shows it: %d tries of each request, not %d.", r.Retries.PerTry, begin, tries)
		}
		return text
	})
}

// share is the longest time, in whole milliseconds, that fits n times into d.
func share(d time.Duration, n int) time.Duration {
	return (d / time.Duration(n)).Truncate(time.Millisecond)
}
