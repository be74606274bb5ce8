package assertions

import (
	"fmt"
	"time"

	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/internal/stats"
	"github.com/faultline-mesh/faultline/loadgen"
)

// HaveDelayed succeeds if the share of the requests that took at least the given
// time can be share, from 0 to 1, by an exact two-sided binomial test: a share
// that is right is called wrong once in a million runs, or as often as the
// experiment's alpha says. Share 1 means all, 0
// none, without exception. It proves a partial delay, also one that is the
// mesh's own, and needs a time that other requests do not come near. The time
// counts from when a request really left. It takes any value with a method
// LoadResult() loadgen.Result. With so few requests that even none delayed could
// be the share, its error is [NoSamples]: 10% needs 138 requests.
func HaveDelayed(by time.Duration, share float64) types.GomegaMatcher {
	const name = "HaveDelayed"
	wanted := delayed{by: by, share: share}
	about := claim.Claim{Kind: claim.Delayed, Within: by, Range: claim.Range{Low: share, High: share}}
	return &matcher{text: wanted.String(), about: about, judge: func(actual any) (finding, error) {
		switch {
		case by <= 0:
			return finding{}, fmt.Errorf("%s takes a positive time.Duration, not %s", name, by)
		case !(0 <= share && share <= 1): // so written that NaN is out, too
			return finding{}, fmt.Errorf("%s takes a share from 0 to 1, as 0.1 for 10%%, not %v", name, share)
		}
		result, err := requestsOf(name, actual)
		if err != nil {
			return finding{}, err
		}
		alpha := alphaOf(actual)
		if n, needed := result.Requests(), about.Needed(alpha); n < needed {
			return finding{}, tooFew(name, "%s, of which a share of %s can be judged from %d on",
				plural(uint64(n), "request"), wanted.percent(share), needed)
		}
		return wanted.judge(result, alpha), nil
	}}
}

// delayed is the claim of HaveDelayed.
type delayed struct {
	by    time.Duration
	share float64
}

// String returns "10% of the requests delayed by 5s".
func (d delayed) String() string {
	return fmt.Sprintf("%s of the requests delayed by %s", d.percent(d.share), d.by)
}

// percent prints a share with so many digits that it is not taken for the wanted
// one unless it is that.
func (d delayed) percent(v float64) string {
	return share.readable(v, func(rounded any) bool { return (rounded == d.share) == (v == d.share) })
}

func (d delayed) judge(result loadgen.Result, alpha float64) finding {
	n, k := result.Requests(), 0
	for _, s := range result.Samples {
		if s.Latency-s.Lag >= d.by {
			k++
		}
	}
	low, high := stats.Interval(n, k, alpha)
	measured, wanted := d.percent(float64(k)/float64(n)), d.percent(d.share)
	subject := fmt.Sprintf("share of requests delayed by %s", d.by)
	return finding{
		holds:   !stats.Rejects(n, k, d.share, alpha),
		failure: fmt.Sprintf("Expected %s to be %s, but it was %s", subject, wanted, measured),
		negated: fmt.Sprintf("Expected %s not to be %s, but it was %s", subject, wanted, measured),
		evidence: fmt.Sprintf("%d of %d, so the share is from %s to %s (error %s); %s",
			k, n, d.percent(low), d.percent(high), errorOf(alpha), result),
		measured: fmt.Sprintf("%d of %d", k, n),
	}
}
