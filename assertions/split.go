package assertions

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/internal/stats"
)

// HaveSplit succeeds if the share of the requests to service that went to the
// subset can be the given one, from 0 to 1, by an exact two-sided binomial test:
// a split that is right is called wrong once in a million runs, or as often as the
// experiment's alpha says. Share 1 means
// all, 0 none, without exception. An empty subset stands for the requests that
// a route sent to the service without naming a subset. Service is named as in
// [observe.Cluster.Serves]. Counted are the requests all observed proxies sent;
// a retry counts again, in the subset of its first try.
//
// It takes any value with a method MeshChange() observe.Change. Where no proxy
// knows a host of service, and with so few requests that even a subset without
// any could have the share, its error is [NoSamples]. A share of 10% needs 138
// requests, 1% needs 1444.
func HaveSplit(service, subset string, share float64) types.GomegaMatcher {
	const name = "HaveSplit"
	wanted := split{service: service, subset: subset, share: share}
	about := claim.Claim{Kind: claim.Split, Service: service, Subset: subset, Range: claim.Range{Low: share, High: share}}
	return &matcher{text: wanted.String(), about: about, judge: func(actual any) (finding, error) {
		if !(0 <= share && share <= 1) { // so written that NaN is out, too
			return finding{}, fmt.Errorf("%s takes a share from 0 to 1, as 0.1 for 10%%, not %v", name, share)
		}
		traffic, err := trafficTo(name, service, actual)
		if err != nil {
			return finding{}, err
		}
		n, alpha := int(traffic.requests), alphaOf(actual)
		needed := about.Needed(alpha)
		switch {
		case n == 0:
			return finding{}, noSamples(name, "no proxy sent a request to %s", service)
		case n < needed:
			return finding{}, tooFew(name, "%s to %s, of which a share of %s can be judged from %d on",
				plural(n, "request"), service, wanted.percent(share), needed)
		}
		return wanted.judge(traffic, alpha), nil
	}}
}

// split is the claim of HaveSplit.
type split struct {
	service, subset string
	share           float64
}

// String returns "10% of payments to subset v2".
func (s split) String() string {
	return fmt.Sprintf("%s of %s to %s", s.percent(s.share), s.service, subsetName(s.subset))
}

// percent prints a share with so many digits that it is not taken for the
// wanted one unless it is that.
func (s split) percent(v float64) string {
	return share.readable(v, func(rounded any) bool { return (rounded == s.share) == (v == s.share) })
}

func (s split) judge(t traffic, alpha float64) finding {
	bySubset := map[string]uint64{}
	for _, h := range t.hosts {
		bySubset[h.Host.Cluster.Subset] += h.Host.Requests
	}
	n, k := int(t.requests), int(bySubset[s.subset])
	low, high := stats.Interval(n, k, alpha)
	measured, wanted := s.percent(float64(k)/float64(n)), s.percent(s.share)
	subject := fmt.Sprintf("share of %s in %s", s.service, subsetName(s.subset))
	return finding{
		holds:   !stats.Rejects(n, k, s.share, alpha),
		failure: fmt.Sprintf("Expected %s to be %s, but it was %s", subject, wanted, measured),
		negated: fmt.Sprintf("Expected %s not to be %s, but it was %s", subject, wanted, measured),
		evidence: fmt.Sprintf("%s: %d of %s, so the share is from %s to %s (error %s); %s",
			s.service, k, plural(n, "request"), s.percent(low), s.percent(high), errorOf(alpha), subsetList(bySubset)),
		measured: fmt.Sprintf("%d of %d", k, n),
	}
}

// subsetList returns "subset v1 900, subset v2 100".
func subsetList(bySubset map[string]uint64) string {
	var parts []string
	for _, subset := range slices.Sorted(maps.Keys(bySubset)) {
		parts = append(parts, fmt.Sprintf("%s %d", subsetName(subset), bySubset[subset]))
	}
	return strings.Join(parts, ", ")
}

func subsetName(subset string) string {
	if subset == "" {
		return "no subset"
	}
	return "subset " + subset
}
