package assertions

import (
	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/internal/claim"
)

// HaveSuccessRate succeeds if the share of requests answered with a 2xx or 3xx
// is within bound: [AtLeast], [AtMost] or any gomega matcher for a float64 from
// 0 to 1. It takes any value with a method LoadResult() loadgen.Result. Without
// requests its error is [NoSamples].
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
		rate, _ := result.SuccessRate()
		return c.of(rate, result.String())
	}}
}
