package sabotage

import (
	"time"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/loadgen"
)

// loadCases are those in which the load is not what meets the fault, or not
// enough of it.
func loadCases() []sabotage {
	return []sabotage{
		{
			name: "header not forwarded", does: "front forwards neither baggage nor x-faultline-run",
			honest: slowBack, before: func(s *scene) { s.rewrite("/deaf") },
			want: "Inconclusive", words: "none of them carried",
		},
		{
			name: "load past the gateway", does: "the load dials a pod of front, and the fault is made in the gateway",
			honest: slowFront, bend: func(s *scene, e *experiments.Experiment) {
				e.Gateway, e.Load.ConnectTo = "", s.address("front", "8080")
				e.Load.Header = map[string]string{"Host": "front"}
			},
			want: "Inconclusive", words: "the load never reached the hop",
		},
		{
			name: "load past the sidecar", does: "the load dials the program of a pod of back, past its sidecar in which the fault is made",
			honest: hangingBack, bend: func(s *scene, e *experiments.Experiment) {
				e.Gateway, e.Load.ConnectTo = "", s.address("back", "18080")
				e.During = nil
			},
			want: "Inconclusive", words: "the load goes past the mesh",
		},
		{
			name: "load to another host", does: "the load's URL is that of another service",
			honest: slowBack, bend: func(_ *scene, e *experiments.Experiment) { e.Load.URL = "http://other.example/" },
			want: "Inconclusive", words: "the load never reached the hop",
		},
		{
			name: "generator too slow", does: "four requests at a time, so that a third of the asked rate is sent",
			honest: slowBack, bend: func(_ *scene, e *experiments.Experiment) {
				e.Load.MaxInFlight, e.Load.Rate, e.SteadyState = 4, 150, e.SteadyState[:1]
			},
			want: "Inconclusive", words: "maxInFlight",
		},
		{
			name: "header forwarded for half", does: "front forwards the headers of every other request, as a sampled trace does",
			honest: slowBack, before: func(s *scene) { s.rewrite("/half") },
			want: "Inconclusive", words: "only some of the",
		},
		{
			name:   "others send the header, the load does not",
			does:   "the fault is on a header that somebody else sends, and the load does not",
			honest: slowBack, before: func(s *scene) { s.others(visitors()) },
			bend: func(_ *scene, e *experiments.Experiment) { e.Faults[0].Headers = map[string]string{"end-user": "ada"} },
			want: "Inconclusive", words: "the load does not send",
		},
		{
			name: "too few requests", does: "three requests a second",
			honest: slowBack, bend: func(_ *scene, e *experiments.Experiment) { e.Load.Rate = 3 },
			want: "refused", words: "needs",
		},
		{
			name: "a phase of one request", does: "the fault phase lasts for a millisecond",
			honest: slowBack, bend: func(_ *scene, e *experiments.Experiment) { e.Duration = time.Millisecond },
			want: "refused", words: "needs",
		},
		{
			name: "caller goes past its sidecar", does: "front sends its requests straight to a pod of back",
			honest: slowBack, before: func(s *scene) {
				s.rewriteWith("/loose", "x-past: '"+s.address("back", "8080")+"'")
			},
			want: "Inconclusive", words: "bypasses the sidecars of the callers",
		},
		{
			name:   "others meet the fault, the load does not",
			does:   "the fault is on all traffic, the load goes elsewhere, and somebody else's requests meet the fault",
			honest: slowBack, before: func(s *scene) { s.others(visitors()) },
			bend: func(_ *scene, e *experiments.Experiment) {
				e.Load.URL = "http://other.example/"
				e.Faults[0].AllTraffic, e.BlastRadius.AllTraffic = true, true
			},
			want: "Inconclusive", words: "as many requests come there without the load",
		},
		{
			name: "load gives up early", does: "the load waits for 50 ms only, and what it did not wait for counts as fast",
			honest: backSlower, bend: func(_ *scene, e *experiments.Experiment) { e.Load.Timeout = 50 * time.Millisecond },
			want: "Inconclusive", words: "got no answer",
		},
		{
			name: "load is redirected", does: "the gateway answers with a redirect, which counts as a success",
			honest: slowBack, before: func(s *scene) {
				s.patch("VirtualService", "lab", "spec: {http: [{name: sabotaged, redirect: {uri: /login}}]}")
				s.done("istio-ingressgateway", "sabotaged")
			},
			want: "Inconclusive", words: "the load never reached the hop",
		},
		{
			name: "others meet the fault in the pods", does: "the same at the upstream site",
			honest: flakyBack, before: func(s *scene) { s.others(visitors()) },
			bend: func(_ *scene, e *experiments.Experiment) {
				e.Load.URL, e.During = "http://other.example/", nil
				e.Faults[0].AllTraffic, e.BlastRadius.AllTraffic = true, true
			},
			want: "Inconclusive", words: "as many requests come there without the load",
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

// visitors are requests of others, through the same gateway.
func visitors() loadgen.Load {
	return loadgen.Load{
		URL: lab.GatewayURL(), Rate: 50, Header: map[string]string{"Host": "lab.example", "end-user": "ada"},
	}
}
