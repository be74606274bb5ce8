package assertions

import (
	"fmt"
	"net/http"
	"time"

	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/loadgen"
)

// HaveTimedOut succeeds if at least one request was answered with 504 and every
// such answer came within the given time: the mesh gave up, and soon enough.
// The time counts from when a request really left, for no timeout can run
// before that. It takes any value with a method LoadResult() loadgen.Result.
// Without requests its error is [NoSamples].
func HaveTimedOut(within time.Duration) types.GomegaMatcher {
	const name = "HaveTimedOut"
	about := claim.Claim{Kind: claim.TimedOut, Code: http.StatusGatewayTimeout, Within: within, Range: claim.AtLeast(1)}
	return &matcher{text: fmt.Sprintf("timed out within %s", within), about: about, judge: func(actual any) (finding, error) {
		if within <= 0 {
			return finding{}, fmt.Errorf("%s takes a positive time.Duration, not %s", name, within)
		}
		result, err := requestsOf(name, actual)
		if err != nil {
			return finding{}, err
		}
		return timedOut(result, within), nil
	}}
}

func timedOut(result loadgen.Result, within time.Duration) finding {
	count, late, slowest := 0, 0, time.Duration(0)
	for _, s := range result.Samples {
		if s.Code != http.StatusGatewayTimeout {
			continue
		}
		took := s.Latency - s.Lag
		count++
		slowest = max(slowest, took)
		if took > within {
			late++
		}
	}
	found := finding{
		holds:    count > 0 && late == 0,
		failure:  fmt.Sprintf("Expected requests to time out within %s, but none was answered with 504", within),
		evidence: result.String(),
	}
	took := duration.readable(slowest, func(rounded any) bool {
		d, ok := rounded.(time.Duration)
		return ok && (d <= within) == (slowest <= within)
	})
	if count > 0 {
		found.measured = fmt.Sprintf("%s, the slowest after %s", plural(count, "answer"), took)
		found.failure = fmt.Sprintf("Expected requests to time out within %s, but %d of %d answers with 504 took longer, the slowest %s",
			within, late, count, took)
	}
	found.negated = fmt.Sprintf("Expected requests not to time out within %s, but %s with 504 came, the slowest after %s",
		within, plural(count, "answer"), took)
	return found
}
