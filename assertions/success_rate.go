package assertions

import (
	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/internal/claim"
)

// HaveSuccessRate succeeds if the share of requests answered with a 2xx or 3xx
// is within bound: [AtLeast], [AtMost] or any gomega matcher for a float64 from
// 0 to 1. It takes any value with a method LoadResult() loadgen.Result.
//
// A share s needs 1/s or 1/(1-s) requests, whichever is more, and otherwise its
// error is [NoSamples]: of fewer than 100, "at least 99%" says no more than "all".
// Only when even the few are such as happen once in a million runs where the bound
// is kept does it fail. 1 and 0 need a single request, and what was measured then
// says which share that many requests without an exception prove.
func HaveSuccessRate(bound any) types.GomegaMatcher {
	const name = "HaveSuccessRate"
	c := comparison{matcher: name, subject: "success rate", unit: share, bound: bound}
	about := claim.Claim{Kind: claim.SuccessRate, Range: c.limits()}
	return &matcher{text: c.text(), about: about, judge: func(actual any) (finding, error) {
		if err := c.check(); err != nil {
			return finding{}, err
		}
		result, err := requestsOf(name, actual)
		if err != nil {
			return finding{}, err
		}
		succeeded := 0
		for code, n := range result.Codes() {
			if 200 <= code && code < 400 {
				succeeded += n
			}
		}
		return c.ofShare(about, sampleOf(actual, result.Requests(), succeeded), result.String())
	}}
}
