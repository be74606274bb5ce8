package assertions

import (
	"math"

	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/internal/claim"
)

// HaveTries succeeds if the number of upstream tries per request of the load is
// within bound: [AtLeast], [AtMost] or any gomega matcher for a float64. Tries
// are the requests that all observed proxies sent to the hosts of service
// (named as in [observe.Cluster.Serves]), so that a request that was retried
// twice counts three. It therefore needs the load to be the only traffic there,
// and to call service once per request. A fault made in the caller's proxy
// gives no tries at all.
//
// It takes any value with both LoadResult() loadgen.Result and MeshChange()
// observe.Change, of the same time. Without requests, and where no proxy knows
// a host of service, its error is [NoSamples], and so it is with so few requests
// that one try more or less would cross a bound between two whole numbers: 1.1
// needs 10 requests, 1.5 needs 2. An upper bound above 0 also needs a try: where
// nothing was sent there is nothing that could have been tried too often.
func HaveTries(service string, bound any) types.GomegaMatcher {
	const name = "HaveTries"
	c := comparison{matcher: name, subject: "number of tries at " + service + " per request", bound: bound}
	about := claim.Claim{Kind: claim.Tries, Service: service, Range: c.limits()}
	return &matcher{text: c.text(), about: about, judge: func(actual any) (finding, error) {
		if err := c.check(); err != nil {
			return finding{}, err
		}
		traffic, err := trafficTo(name, service, actual)
		if err != nil {
			return finding{}, err
		}
		result, err := requestsOf(name, actual)
		if err != nil {
			return finding{}, err
		}
		if traffic.requests == 0 && 0 < about.Range.High && !math.IsInf(about.Range.High, 0) {
			return finding{}, noSamples(name, "no proxy sent a request to %s", service)
		}
		tries := float64(traffic.requests) / float64(result.Requests())
		found, err := c.of(tries, traffic.String()+"; load: "+result.String())
		if err != nil {
			return finding{}, err
		}
		return found, c.enough(about, result.Requests(), alphaOf(actual), false)
	}}
}
