package experiments

import (
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

// climbed is a trial whose fault 0 rose at the Caller site, fault 1 at the
// Upstream site, while fault 2 stayed as it was, in a phase of ten seconds.
func climbed() *trial {
	began := abortedHit.at
	rising, upstream := callerFault, upstreamFault
	rising.Ramp, upstream.Ramp = []float64{10}, []float64{20}
	rose := callerEdit(0, []string{"faultline-7f3a-0"})
	rose.Signs = aborts(10)
	return &trial{
		experiment: Experiment{Faults: []injector.Fault{rising, upstream, callerFault}},
		report:     &Report{During: Phase{From: began, To: began.Add(10 * time.Second)}},
		steps: []step{
			{
				edits: []injector.Edit{rose, upstreamEdit(1, "faultline.7f3a", "payments-1"), callerEdit(2, []string{"faultline-7f3a-5"})},
				began: began, inForce: began,
			},
			{
				edits: []injector.Edit{
					callerEdit(0, []string{"faultline-7f3a-6"}), upstreamEdit(1, "faultline.7f3a", "payments-1"),
					callerEdit(2, []string{"faultline-7f3a-5"}),
				},
				began: began.Add(5 * time.Second), inForce: began.Add(6 * time.Second),
			},
		},
	}
}

func at(second int, flags, route, cluster string) hit {
	return hit{at: abortedHit.at.Add(time.Duration(second) * time.Second), flags: []string{flags}, route: route, cluster: cluster}
}

// The steps of a Caller fault are told by their routes, those of an Upstream
// fault by their times; a fault without a ramp is one.
func TestTraces(t *testing.T) {
	const ours, inbound = "outbound|80||inventory.shop.svc.cluster.local", "inbound|8080||"
	trial := climbed()
	for fault, test := range []struct {
		hits []hit
		want Evidence
	}{
		{
			[]hit{
				at(1, "FI", "faultline-7f3a-0", ours), at(1, "-", "faultline-7f3a-0", ours),
				at(6, "-", "faultline-7f3a-0", ours), // it came late, but to the first step's route
				at(6, "FI", "faultline-7f3a-6", ours), at(6, "FI", "default", ours), at(11, "FI", "faultline-7f3a-6", ours),
			},
			Evidence{Fired: 2, Of: 4, Parts: []Part{{"step 1 (10%)", 1, 3}, {"step 2 (100%)", 1, 1}}},
		},
		{
			[]hit{
				at(1, "FI", "default", inbound), at(2, "-", "default", inbound), at(3, "DI", "default", inbound),
				at(5, "FI", "default", inbound), // until here
				at(7, "FI", "default", inbound), at(8, "FI", "default", ours),
			},
			Evidence{Fired: 3, Of: 5, Parts: []Part{{"step 1 (20%)", 2, 4}, {"step 2 (100%)", 1, 1}}},
		},
		{
			[]hit{at(1, "FI", "faultline-7f3a-5", ours), at(7, "-", "faultline-7f3a-5", ours)},
			Evidence{Fired: 1, Of: 2},
		},
	} {
		var got Evidence
		for _, one := range trial.traces(fault) {
			for _, h := range test.hits {
				one.count(h)
			}
			got.add(one)
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("fault %d: got  %+v\nwant %+v", fault, got, test.want)
		}
	}
	for n, share := range [][]float64{{10, 100}, {0, 0}, {100}} {
		var got []float64
		for _, one := range trial.traces(n) {
			got = append(got, one.signs[0].Percent)
		}
		if !reflect.DeepEqual(got, share) {
			t.Errorf("fault %d: shares to compare %v, want %v", n, got, share)
		}
	}
	if trial.steps[0].edits[1].Signs[0].Percent != 100 {
		t.Error("the edit itself was changed")
	}
}

// The parts of a distribution are told by the request's id.
func TestTraceOfParts(t *testing.T) {
	one := fresh([]trace{{
		routes: []string{"r"}, to: abortedHit.at.Add(time.Second),
		signs: []injector.Sign{
			{Part: "50ms on 95%", Percent: 95, Flags: []string{"DI"}, ID: regexp.MustCompile("^[0-8]")},
			{Part: "2s on 5%", Percent: 5, Flags: []string{"DI"}, ID: regexp.MustCompile("^9")},
		},
	}})[0]
	for _, id := range []string{"1", "2", "x", "9"} {
		h := at(0, "DI", "r", "")
		h.id = id
		if id == "x" {
			h.flags = []string{"-"}
		}
		one.count(h)
	}
	var got Evidence
	got.add(one)
	want := Evidence{Fired: 3, Of: 4, Parts: []Part{{"50ms on 95%", 2, 4}, {"2s on 5%", 1, 4}}}
	if !reflect.DeepEqual(got, want) || !got.complete() {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if one.hitsAll() {
		t.Error("it does not hit all")
	}
	got.Parts[1].Fired = 0
	if got.complete() || (&Evidence{}).complete() {
		t.Error("what did not fire is complete")
	}
}

func TestCountersOf(t *testing.T) {
	if got := countersOf([]trace{{signs: aborts(1)}, {signs: []injector.Sign{{}, {Counter: "delays_injected"}}}}); !reflect.DeepEqual(got, []string{"aborts_injected", "delays_injected"}) {
		t.Errorf("got %q", got)
	}
	if got := countersOf([]trace{{signs: []injector.Sign{{Flags: []string{"UH"}}}}}); got != nil {
		t.Errorf("of what no counter tells: %q", got)
	}
}
