package preflight

import (
	"slices"
	"time"

	networking "istio.io/api/networking/v1alpha3"
)

// What Envoy does where outlierDetection is there and says nothing.
const (
	defaultInRow      = 5
	defaultInterval   = 10 * time.Second
	defaultBase       = 30 * time.Second
	defaultMaxPercent = 10
)

// Ejection is what outlierDetection does to a host of a cluster, defaults filled
// in. Each caller's proxy counts for itself.
type Ejection struct {
	FiveXX        int // answers with 5xx in a row; 0: does not eject
	GatewayErrors int // answers with 502, 503 or 504 in a row; 0: does not eject
	LocalOrigin   int // failures of the proxy's own in a row, when they are split from answers; 0: does not eject
	Split         bool

	Interval   time.Duration // after which hosts are looked at to be taken back
	Base       time.Duration // that the first ejection lasts
	MaxPercent int           // of the hosts that may be out at once
	MinHealth  int           // percentage of healthy hosts below which ejections do not count; 0: none

	Written *networking.OutlierDetection // as the user has it
}

// ejectionOf returns what a block of outlierDetection does, nil for none.
//
// Source: pilot/pkg/networking/core/cluster_traffic_policy.go
// (applyOutlierDetection) of Istio.
func ejectionOf(written *networking.OutlierDetection) *Ejection {
	if written == nil {
		return nil
	}
	e := &Ejection{
		FiveXX: defaultInRow, GatewayErrors: int(written.GetConsecutiveGatewayErrors().GetValue()),
		Split: written.GetSplitExternalLocalOriginErrors(), Interval: defaultInterval, Base: defaultBase,
		MaxPercent: defaultMaxPercent, MinHealth: int(written.GetMinHealthPercent()), Written: written,
	}
	if n := written.GetConsecutive_5XxErrors(); n != nil {
		e.FiveXX = int(n.GetValue())
	}
	if e.Split {
		e.LocalOrigin = defaultInRow
		if n := int(written.GetConsecutiveLocalOriginFailures().GetValue()); n > 0 {
			e.LocalOrigin = n
		}
	}
	if d := written.GetInterval(); d != nil {
		e.Interval = d.AsDuration()
	}
	if d := written.GetBaseEjectionTime(); d != nil {
		e.Base = d.AsDuration()
	}
	if p := int(written.GetMaxEjectionPercent()); p > 0 {
		e.MaxPercent = p
	}
	return e
}

// Most returns how many of so many hosts may be out at once.
func (e *Ejection) Most(hosts int) int {
	if e == nil {
		return 0
	}
	return min(hosts, hosts*e.MaxPercent/100)
}

// percentFor returns the smallest maxEjectionPercent with which k of so many
// hosts can be out.
func percentFor(k, hosts int) int { return (100*k + hosts - 1) / hosts }

// InRow returns how many answers with a status, one after the other, eject a host;
// 0 when none do.
func (e *Ejection) InRow(status int) int {
	if e == nil || status < 500 || status > 599 {
		return 0
	}
	return least(e.FiveXX, map[bool]int{true: e.GatewayErrors}[slices.Contains([]int{502, 503, 504}, status)])
}

// TimeoutsInRow returns how many timeouts of tries, one after the other, eject a
// host; 0 when none do. A timeout counts as a 504, unless failures of the proxy's
// own are split.
func (e *Ejection) TimeoutsInRow() int {
	if e == nil || !e.Split {
		return e.InRow(504)
	}
	return e.LocalOrigin
}

// least returns the smaller of two thresholds, of which 0 is none.
func least(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
