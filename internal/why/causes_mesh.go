package why

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Causes that lie in the mesh or the services: findings.

func overflow(s seen) cause {
	n := s.flags()["UO"]
	if n == 0 {
		return cause{}
	}
	return cause{
		fmt.Sprintf("a circuit breaker overflowed: %d requests have the flag UO, so a connection pool of a DestinationRule was full", n),
		fmt.Sprintf("kubectl -n %s get destinationrules -o yaml: are connectionPool.http limits meant to bite here? (objects.yaml)", s.namespace()),
	}
}

func noConnection(s seen) cause {
	flags := s.flags()
	n := flags["UF"] + flags["UC"]
	if n == 0 {
		return cause{}
	}
	return cause{
		fmt.Sprintf("connections to the service failed: %d requests have the flags UF or UC, which no fault of faultline causes", n),
		"look at the pods of the service and, with mTLS, at certificates: istioctl proxy-config endpoints POD, and proxies/*/access.log",
	}
}

func noEjection(s seen) cause {
	if !strings.Contains(s.notHeld(), "to be ejected, but") {
		return cause{}
	}
	return cause{
		"no host, or not so many, was ejected: outlierDetection is missing or cannot trip (too many consecutive errors wanted, maxEjectionPercent below one host, other traffic that succeeds in between)",
		"faultline plan FILE computes it; the DestinationRules are in objects.yaml, and proxies/*/clusters.json shows what is in effect",
	}
}

func tooSlow(s seen) cause {
	during, before := s.Phases["during"].Load, s.Phases["baseline"].Load
	if !strings.Contains(s.notHeld(), "latency") {
		return cause{}
	}
	return cause{
		fmt.Sprintf("latency reaches whoever asks: p99 went from %s to %s, so nothing on the way gives up earlier", short(before.P99), short(during.P99)),
		"give the caller a timeout shorter than its own caller's patience, or a fallback; a route's timeout does it only for faults at the upstream site",
	}
}

func noFallback(s seen) cause {
	if !strings.Contains(s.notHeld(), "success rate") {
		return cause{}
	}
	failed := map[string]int{}
	for code, n := range s.Phases["during"].Load.Codes {
		if code < "200" || code >= "400" {
			failed[code] = n
		}
	}
	if len(failed) == 0 {
		return cause{}
	}
	codeList := slices.Sorted(maps.Keys(failed))
	return cause{
		fmt.Sprintf("the failure reaches whoever asks (%s): the caller of %s has no answer of its own for it, and no retry covers it",
			codes(failed), strings.Join(s.Asked.Hosts, ", ")),
		fmt.Sprintf("is %s meant to come through? Else: a fallback in the caller, or retries whose retryOn names it, proven by a fault at the upstream site", strings.Join(codeList, ", ")),
	}
}
