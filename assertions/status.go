package assertions

import (
	"fmt"

	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/internal/claim"
)

// HaveStatus succeeds if the share of requests answered with the HTTP status
// code is within bound: [AtLeast], [AtMost] or any gomega matcher for a float64
// from 0 to 1. Code 0 stands for requests without an answer. It takes any value
// with a method LoadResult() loadgen.Result. It needs as many requests as
// [HaveSuccessRate] does, or its error is [NoSamples].
func HaveStatus(code int, bound any) types.GomegaMatcher {
	const name = "HaveStatus"
	subject := fmt.Sprintf("share of status %d", code)
	if code == 0 {
		subject = "share of requests without an answer"
	}
	c := comparison{matcher: name, subject: subject, unit: share, bound: bound}
	about := claim.Claim{Kind: claim.Status, Code: code, Range: c.limits()}
	return &matcher{text: c.text(), about: about, judge: func(actual any) (finding, error) {
		if code != 0 && (code < 100 || code > 599) {
			return finding{}, fmt.Errorf("%s takes an HTTP status, or 0 for no answer, not %d", name, code)
		}
		if err := c.check(); err != nil {
			return finding{}, err
		}
		result, err := requestsOf(name, actual)
		if err != nil {
			return finding{}, err
		}
		return c.ofShare(about, sampleOf(actual, result.Requests(), result.Count(code)), result.String())
	}}
}
