package sabotage

import (
	"time"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// policyCases are those in which the policy is not what makes the answers good.
func policyCases() []sabotage {
	return []sabotage{
		{
			name: "retries asserted where there are none", does: "the route of back has attempts: 0, and front answers 200 whatever back says",
			honest: flakyBack, before: func(s *scene) {
				s.rewrite("/kind")
				s.patch("VirtualService", "back", "spec: {http: [{name: sabotaged, retries: {attempts: 0}, route: [{destination: {host: back}}]}]}")
				s.done("front", "sabotaged")
			},
			bend: func(_ *scene, e *experiments.Experiment) {
				e.During = append(e.During, HaveTries("back", AtLeast(1.05)))
			},
			want: "refused", words: "are tried again",
		},
		{
			name: "fallback hides the mesh's failure", does: "every try fails, and front answers 200 all the same",
			honest: flakyBack, before: func(s *scene) { s.rewrite("/kind") },
			bend: func(_ *scene, e *experiments.Experiment) {
				e.Faults[0].Effect = injector.Abort{HTTPStatus: 503, Percent: 100}
			},
			want: "Deviated", words: "tries at back per request",
		},
		{
			name: "maxEjectionPercent that can never eject", does: "10 % of three pods is none",
			honest: failingPod, before: func(s *scene) {
				s.patch("DestinationRule", "back", "spec: {trafficPolicy: {outlierDetection: {maxEjectionPercent: 10}}}")
				s.done("front", `"max_ejection_percent": 10`)
			},
			want: "refused", words: "maxEjectionPercent",
		},
		{
			name: "no outlierDetection", does: "the DestinationRule has none",
			honest: failingPod, before: func(s *scene) {
				s.patch("DestinationRule", "back", "spec: {trafficPolicy: {outlierDetection: null, connectionPool: {http: {maxRetries: 1000}}}}")
				s.shown("front", `"max_ejection_percent": 50`, false)
			},
			want: "Deviated", words: "ejected, but none was",
		},
		{
			name: "partial fault that cannot fail N times in a row", does: "one request in ten fails, and five in a row eject",
			honest: failingPod, bend: func(_ *scene, e *experiments.Experiment) {
				e.Faults[0].Effect = injector.Abort{HTTPStatus: 503, Percent: 10}
			},
			want: "refused", words: "in a row",
		},
		{
			name: "ejection longer than the recovery", does: "a pod that is ejected is out for five minutes",
			honest: failingPod, before: (*scene).longEjection,
			bend: func(_ *scene, e *experiments.Experiment) { e.Recovery = time.Second },
			want: "refused", words: "baseEjectionTime",
		},
		{
			name: "recovery that never comes", does: "the same, and it comes about after the run has begun",
			honest: failingPod, when: experiments.BaselinePhase, while: (*scene).longEjection,
			want: "Deviated", words: "readmitted",
		},
		{
			name: "fault on the hop whose retries are asserted", does: "the fault is made in the caller's proxy, where no retry can see it",
			honest: flakyBack, bend: func(_ *scene, e *experiments.Experiment) {
				e.Faults[0].Site, e.Faults[0].Effect = injector.Caller, injector.Abort{HTTPStatus: 503, Percent: 3}
			},
			want: "refused", words: "retries",
		},
		{
			name: "status that retryOn does not cover", does: "back fails with 503, and its callers try again after resets only",
			honest: flakyBack, before: func(s *scene) {
				s.patch("VirtualService", "back", "spec: {http: [{name: sabotaged, retries: {attempts: 2, retryOn: reset}, route: [{destination: {host: back}}]}]}")
				s.done("front", "sabotaged")
			},
			bend: func(_ *scene, e *experiments.Experiment) {
				e.Faults[0].Effect = injector.Abort{HTTPStatus: 503, Percent: 3}
			},
			want: "refused", words: "retryOn",
		},
	}
}

// longEjection makes ejections last for five minutes.
func (s *scene) longEjection() {
	s.Helper()
	s.patch("DestinationRule", "back", "spec: {trafficPolicy: {outlierDetection: {baseEjectionTime: 300s}}}")
	s.done("front", `"base_ejection_time": "300s"`)
}
