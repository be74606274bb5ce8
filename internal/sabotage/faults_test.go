package sabotage

import (
	"math"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// faultCases are those in which the fault itself is wrong.
func faultCases() []sabotage {
	fault := func(change func(*injector.Fault)) func(*scene, *experiments.Experiment) {
		return func(_ *scene, e *experiments.Experiment) { change(&e.Faults[0]) }
	}
	percent := func(percent float64) func(*scene, *experiments.Experiment) {
		return fault(func(f *injector.Fault) { f.Effect = injector.Delay{Fixed: 100e6, Percent: percent} })
	}
	return []sabotage{
		{
			name: "percent omitted", does: "the fault has no percent, which Istio takes for none",
			honest: slowBack, bend: percent(0), want: "refused", words: "percent",
		},
		{name: "negative percent", does: "the fault is on -1 % of the requests", honest: slowBack, bend: percent(-1), want: "refused", words: "percent"},
		{
			name: "percent that is no number", does: "the fault is on NaN % of the requests",
			honest: slowBack, bend: percent(math.NaN()), want: "refused", words: "percent",
		},
		{
			name: "ramp that falls", does: "the ramp ends lower than it began",
			honest: slowBack, bend: fault(func(f *injector.Fault) { f.Ramp = []float64{90, 10} }), want: "refused", words: "ramp",
		},
		{
			name: "wrong gateway", does: "the fault is for callers in the mesh, and the load comes by the gateway",
			honest: slowFront, bend: fault(func(f *injector.Fault) { f.From = injector.Callers{} }),
			want: "Inconclusive", words: "from.gateway",
		},
		{
			name: "no traffic at the hop", does: "the fault is on a service that nobody calls",
			honest: slowBack, bend: fault(func(f *injector.Fault) { f.On = labService("spare") }),
			want: "Inconclusive", words: "the load never reached the hop",
		},
		{
			name: "callers that there are not", does: "the fault is for callers with a label that nobody has",
			honest: slowBack, bend: fault(func(f *injector.Fault) { f.From.Labels = map[string]string{"app": "nobody"} }),
			want: "Inconclusive", words: "no proxy",
		},
		{
			name: "subset without traffic", does: "the fault is on a subset to which only the route for jason leads",
			honest: slowBack, bend: fault(func(f *injector.Fault) { f.On.Subset = "v2" }),
			want: "Inconclusive", words: "nothing shows that the fault fired",
		},
		{
			name: "one of two faults never fires", does: "a second fault is on a service that nobody calls",
			honest: slowBack, bend: func(_ *scene, e *experiments.Experiment) {
				second := e.Faults[0]
				second.On = labService("spare")
				e.Faults = append(e.Faults, second)
			},
			want: "Inconclusive", words: "lab/spare",
		},
	}
}
