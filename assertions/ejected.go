package assertions

import (
	"fmt"
	"strings"

	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/internal/claim"
)

// HaveEjected succeeds if the number of distinct hosts of service that outlier
// detection took out is within bound: [AtLeast], [AtMost] or any gomega matcher
// for an int. A host counts once, however many proxies ejected it, and only if
// that happened within the observed time: a host that was out before does not
// count. Service is named as in [observe.Cluster.Serves].
//
// It takes any value with a method MeshChange() observe.Change. Where no proxy
// knows a host of service, or none was sent anything, its error is [NoSamples].
func HaveEjected(service string, bound any) types.GomegaMatcher {
	const name = "HaveEjected"
	c := comparison{
		matcher: name, subject: "number of ejected hosts of " + service, bound: bound,
		headlines: func(phrase, measured string) (failure, negated string) {
			return ejectedHeadlines(service, phrase, measured)
		},
	}
	about := claim.Claim{Kind: claim.Ejected, Service: service, Range: c.limits()}
	return &matcher{text: c.text(), about: about, judge: func(actual any) (finding, error) {
		if err := c.check(); err != nil {
			return finding{}, err
		}
		traffic, err := trafficTo(name, service, actual)
		if err != nil {
			return finding{}, err
		}
		_, ejections := traffic.ejections()
		if traffic.requests+traffic.errors == 0 && len(ejections) == 0 {
			return finding{}, noSamples(name, "no proxy sent a request to %s", service)
		}
		hosts := map[string]bool{}
		for _, e := range ejections {
			hosts[e.Address] = true
		}
		return c.of(len(hosts), traffic.String())
	}}
}

// ejectedHeadlines words "Expected at least 1 host of payments to be ejected,
// but none was".
func ejectedHeadlines(service, phrase, measured string) (failure, negated string) {
	hosts := "hosts"
	if strings.HasSuffix(phrase, " 1") {
		hosts = "host"
	}
	happened := measured + " were"
	switch measured {
	case "0":
		happened = "none was"
	case "1":
		happened = "1 was"
	}
	return fmt.Sprintf("Expected %s %s of %s to be ejected, but %s", phrase, hosts, service, happened),
		fmt.Sprintf("Expected not %s %s of %s to be ejected, but %s", phrase, hosts, service, happened)
}
