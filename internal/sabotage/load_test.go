package sabotage

import (
	"github.com/faultline-mesh/faultline/experiments"
)

// loadCases are those in which the load is not what meets the fault, or not
// enough of it.
func loadCases() []sabotage {
	return []sabotage{
		{
			name: "header not forwarded", does: "front forwards neither baggage nor x-faultline-run",
			honest: slowBack, before: func(s *scene) { s.rewrite("/deaf") },
			want: "Inconclusive", words: "nothing shows that the fault fired",
		},
		{
			name: "load past the gateway", does: "the load dials a pod of front, and the fault is made in the gateway",
			honest: slowFront, bend: func(s *scene, e *experiments.Experiment) {
				e.Gateway, e.Load.ConnectTo = "", s.address("front", "8080")
				e.Load.Header = map[string]string{"Host": "front"}
			},
			want: "Inconclusive", words: "nothing shows that the fault fired",
		},
		{
			name: "load past the sidecar", does: "the load dials the program of a pod of back, past its sidecar in which the fault is made",
			honest: hangingBack, bend: func(s *scene, e *experiments.Experiment) {
				e.Gateway, e.Load.ConnectTo = "", s.address("back", "18080")
				e.During = nil
			},
			want: "Inconclusive", words: "nothing shows that the fault fired",
		},
		{
			name: "load to another host", does: "the load's URL is that of another service",
			honest: slowBack, bend: func(_ *scene, e *experiments.Experiment) { e.Load.URL = "http://other.example/" },
			want: "Inconclusive", words: "nothing shows that the fault fired",
		},
		{
			name: "generator too slow", does: "four requests at a time, so that a third of the asked rate is sent",
			honest: slowBack, bend: func(_ *scene, e *experiments.Experiment) {
				e.Load.MaxInFlight, e.Load.Rate, e.SteadyState = 4, 150, e.SteadyState[:1]
			},
			want: "Inconclusive", words: "maxInFlight",
		},
	}
}

// rewrite has the gateway ask front for another path, which is another behaviour.
func (s *scene) rewrite(path string) {
	s.Helper()
	s.rewriteWith(path, "x-sabotage: 'yes'")
}

func (s *scene) rewriteWith(path, header string) {
	s.Helper()
	s.patch("VirtualService", "lab", `
spec:
  http:
  - name: sabotaged
    rewrite: {uri: `+path+`}
    headers: {request: {set: {`+header+`}}}
    route: [{destination: {host: front}}]`)
	s.done("istio-ingressgateway", path)
}
