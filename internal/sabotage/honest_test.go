package sabotage

import (
	"time"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
)

// The experiments that are sabotaged. As they are here they must be Held.

// labExperiment is what they all share.
func labExperiment(name, title string, faults ...injector.Fault) experiments.Experiment {
	return experiments.Experiment{
		Name: name, Title: title, Faults: faults,
		Gateway:     "istio-system/istio-ingressgateway",
		Load:        loadgen.Load{URL: "http://lab.example/", Rate: 150},
		SteadyState: []experiments.Matcher{HaveSuccessRate(AtLeast(0.99))},
		BlastRadius: injector.BlastRadius{Namespaces: []string{"lab"}},
		Settle:      800 * time.Millisecond, Duration: 1500 * time.Millisecond, Recovery: 800 * time.Millisecond,
	}
}

func labService(name string) injector.Service { return injector.Service{Namespace: "lab", Name: name} }

// slowBack tests that callers have patience. It would be green without a fault.
func slowBack() experiments.Experiment {
	e := labExperiment("slow-back", "customers get their answers in time while back is slow", injector.Fault{
		On: labService("back"), Site: injector.Caller, Effect: injector.Delay{Fixed: 100 * time.Millisecond, Percent: 100},
	})
	e.SteadyState = append(e.SteadyState, HaveLatency(P99, AtMost(900*time.Millisecond)))
	return e
}

// slowFront is the same at the gateway.
func slowFront() experiments.Experiment {
	e := labExperiment("slow-front", "customers get their answers in time while front is slow", injector.Fault{
		On: labService("front"), Site: injector.Caller, From: injector.Callers{Gateway: "lab/lab"},
		Effect: injector.Delay{Fixed: 100 * time.Millisecond, Percent: 100},
	})
	e.SteadyState = append(e.SteadyState, HaveLatency(P99, AtMost(900*time.Millisecond)))
	return e
}

// failingPod tests the ejection. Retries hide the errors before it, so that
// answers alone do not tell whether it is there.
func failingPod() experiments.Experiment {
	e := labExperiment("failing-pod", "a failing pod of back is ejected, and readmitted when it is well", injector.Fault{
		On: labService("back"), Site: injector.Upstream, Pods: 1, Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
	})
	e.During = []experiments.Matcher{HaveEjected("back", AtLeast(1))}
	e.Recovered = []experiments.Matcher{HaveReadmitted("back")}
	e.Recovery = 4 * time.Second // baseEjectionTime, its jitter, an interval, and what the requests take
	return e
}

// flakyBack tests the retries, and that they are few.
func flakyBack() experiments.Experiment {
	e := labExperiment("flaky-back", "retries hide that back is flaky, at a bounded price", injector.Fault{
		On: labService("back"), Site: injector.Upstream, Effect: injector.Abort{HTTPStatus: 503, Percent: 20},
	})
	e.SteadyState = []experiments.Matcher{HaveSuccessRate(AtLeast(0.95))}
	e.During = []experiments.Matcher{HaveTries("back", AtLeast(1.05)), HaveTries("back", AtMost(1.6))}
	return e
}

// hangingBack tests the timeout.
func hangingBack() experiments.Experiment {
	e := labExperiment("hanging-back", "a hanging back ends in a 504 in time", injector.Fault{
		On: labService("back"), Site: injector.Upstream, Effect: injector.Delay{Fixed: 3 * time.Second, Percent: 100},
	})
	e.Load.Rate = 100
	e.SteadyState = []experiments.Matcher{HaveLatency(Max, AtMost(2*time.Second))}
	e.Healthy = []experiments.Matcher{HaveSuccessRate(AtLeast(0.98))}
	e.During = []experiments.Matcher{HaveTimedOut(1500 * time.Millisecond), HaveStatus(504, AtLeast(0.98))}
	return e
}

// backDown tests that front says so at once.
func backDown() experiments.Experiment {
	e := labExperiment("back-down", "front answers at once while back is down", injector.Fault{
		On: labService("back"), Site: injector.Caller, Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
	})
	e.SteadyState = []experiments.Matcher{HaveLatency(P99, AtMost(900*time.Millisecond))}
	return e
}

// canary has no fault: it proves a route.
func canary() experiments.Experiment {
	e := labExperiment("canary", "jason gets v2 of back, always")
	e.Load.Header = map[string]string{"end-user": "jason"}
	e.During = []experiments.Matcher{HaveSplit("back", "v2", 1)}
	return e
}

// backSlower asks for time alone.
func backSlower() experiments.Experiment {
	e := slowBack()
	e.Name = "slower-back"
	e.SteadyState = []experiments.Matcher{HaveLatency(P99, AtMost(900*time.Millisecond))}
	return e
}

// abortedBack tests that customers get most of their answers.
func abortedBack() experiments.Experiment {
	e := labExperiment("aborted-back", "customers get most of their answers while one in ten of back's fails", injector.Fault{
		On: labService("back"), Site: injector.Upstream, Effect: injector.Abort{HTTPStatus: 500, Percent: 10},
	})
	e.SteadyState = []experiments.Matcher{HaveSuccessRate(AtLeast(0.8))}
	return e
}

// rampedBack is flakyBack by steps.
func rampedBack() experiments.Experiment {
	e := flakyBack()
	e.Name = "ramped-back"
	e.Faults[0].Ramp, e.Duration, e.During = []float64{10}, 3*time.Second, e.During[1:]
	return e
}
