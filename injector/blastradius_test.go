package injector

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestValidateFaults(t *testing.T) {
	ok := callerFault
	with := func(change func(*Fault)) Fault {
		f := ok
		change(&f)
		return f
	}
	tests := map[string]struct {
		faults []Fault
		limits BlastRadius
		want   []string
	}{
		"no faults":                  {},
		"a good one":                 {faults: []Fault{ok}},
		"good with all limits":       {faults: []Fault{ok}, limits: BlastRadius{Namespaces: []string{"shop"}, MaxPercent: 100, MaxPods: 1}},
		"a pointer is an effect too": {faults: []Fault{with(func(f *Fault) { f.Effect = &Abort{HTTPStatus: 503, Percent: 1} })}},
		"the zero fault": {
			faults: []Fault{{}},
			want: []string{
				"faults[0].on.namespace: is missing",
				"faults[0].on.name: is missing",
				"faults[0].site: no site: say Caller or Upstream, it decides what the fault can test",
				"faults[0].effect: is missing",
			},
		},
		"everything of an effect at once": {
			faults: []Fault{ok, with(func(f *Fault) { f.On.Name, f.Effect = "x", Delay{} })},
			want: []string{
				"faults[1].fixed: 0s is not a positive duration",
				"faults[1].percent: 0 is not above 0 and up to 100",
			},
		},
		"names that are none": {
			faults: []Fault{with(func(f *Fault) { f.On = Service{Namespace: "Shop", Name: "*", Port: 70000, Subset: "v_2"} })},
			want: []string{
				`faults[0].on.namespace: "Shop": a lowercase RFC 1123 label`,
				`faults[0].on.name: "*": a lowercase RFC 1123 label`,
				`faults[0].on.subset: "v_2": a lowercase RFC 1123 label`,
				"faults[0].on.port: 70000 is not a port",
			},
		},
		"a namespace outside": {
			faults: []Fault{ok}, limits: BlastRadius{Namespaces: []string{"web", "bank"}},
			want: []string{`faults[0].on.namespace: namespace "shop" is outside blastRadius.namespaces ["web" "bank"]`},
		},
		"the mesh's own namespace": {
			faults: []Fault{with(func(f *Fault) { f.On.Namespace = "istio-system" })},
			want:   []string{`faults[0].on.namespace: namespace "istio-system" is never faulted: the mesh itself depends on it`},
		},
		"the mesh's own namespace, allowed": {
			limits: BlastRadius{Namespaces: []string{"kube-system", "shop", "kube-public"}},
			want: []string{
				`blastRadius.namespaces[0]: namespace "kube-system" is never faulted: the mesh itself depends on it`,
				`blastRadius.namespaces[2]: namespace "kube-public" is never faulted: the mesh itself depends on it`,
			},
		},
		"limits that are none": {
			limits: BlastRadius{MaxPercent: 101, MaxPods: -1},
			want: []string{
				"blastRadius.maxPercent: 101 is not between 0 and 100",
				"blastRadius.maxPods: -1 is negative",
			},
		},
		"a limit that is not a number": {
			limits: BlastRadius{MaxPercent: math.NaN()},
			want:   []string{"blastRadius.maxPercent: NaN is not between 0 and 100"},
		},
		"above the percent allowed": {
			faults: []Fault{ok}, limits: BlastRadius{MaxPercent: 50},
			want: []string{"faults[0].percent: 100 is above blastRadius.maxPercent 50"},
		},
		"more pods than allowed": {
			faults: []Fault{with(func(f *Fault) { f.Site, f.Pods = Upstream, 3 })}, limits: BlastRadius{MaxPods: 2},
			want: []string{"faults[0].pods: 3 is above blastRadius.maxPods 2"},
		},
		"pods at the caller": {
			faults: []Fault{with(func(f *Fault) { f.Pods = 1 })},
			want:   []string{"faults[0].pods: only the Upstream site picks pods; a Caller fault is made in every caller's proxy"},
		},
		"less than no pods": {
			faults: []Fault{with(func(f *Fault) { f.Site, f.Pods = Upstream, -1 })},
			want:   []string{"faults[0].pods: -1 is negative"},
		},
		"all traffic, not allowed": {
			faults: []Fault{with(func(f *Fault) { f.AllTraffic = true })},
			want:   []string{"faults[0].allTraffic: needs blastRadius.allTraffic: requests that are not the run's own would meet the fault"},
		},
		"all traffic, allowed": {
			faults: []Fault{with(func(f *Fault) { f.AllTraffic = true })}, limits: BlastRadius{AllTraffic: true},
		},
		"one that hides another": {
			faults: []Fault{ok, with(func(f *Fault) { f.On.Port, f.Effect = 80, Delay{time.Second, 1} })},
			want:   []string{"faults[1].on: shop/payments:80 is what faults[0] is on too, at the same site: that one would hide this one"},
		},
		"one that hides two others": {
			faults: []Fault{ok, ok, ok},
			want: []string{
				"faults[1].on: shop/payments is what faults[0] is on too",
				"faults[2].on: shop/payments is what faults[0] is on too",
			},
		},
		"different ports, subsets, sites or services": {
			faults: []Fault{
				with(func(f *Fault) { f.On.Port, f.On.Subset = 80, "v1" }),
				with(func(f *Fault) { f.On.Port, f.On.Subset = 81, "v1" }),
				with(func(f *Fault) { f.On.Port, f.On.Subset = 80, "v2" }),
				with(func(f *Fault) { f.Site = Upstream }),
				with(func(f *Fault) { f.Site = Upstream }),
				with(func(f *Fault) { f.On.Name = "orders" }),
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			expectReasons(t, ValidateFaults(test.faults, test.limits), test.want)
		})
	}
}

// expectReasons holds err to be a *RefusedError whose reasons begin like want.
func expectReasons(t *testing.T, err error, want []string) {
	t.Helper()
	var got []string
	if refusal, ok := errors.AsType[*RefusedError](err); ok {
		for _, r := range refusal.Reasons {
			got = append(got, r.String())
		}
	} else if err != nil {
		t.Fatalf("%v is no *RefusedError", err)
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("reasons\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
