package why

import (
	"fmt"
	"strings"
)

// Causes that lie in the run, or in how it was asked.

func takenOut(s seen) cause {
	if !s.said("evicted:", "did not keep the fault", "lease lost:") {
		return cause{}
	}
	return cause{
		"somebody else wrote the object, or reverted the run, while the fault was in force",
		"kubectl get OBJECT -o yaml --show-managed-fields tells who; keep that tool away for the time of a run (docs/cli.md)",
	}
}

func interrupted(s seen) cause {
	if !s.said("interrupted by", "the test's deadline is near") {
		return cause{}
	}
	return cause{"the run was interrupted from outside: " + s.Reason, "run it again, with time enough (go test -timeout)"}
}

func haltFlag(s seen) cause {
	if s.Verdict != "Halted" || s.Halt != nil {
		return cause{}
	}
	return cause{"somebody halted the mesh with `faultline halt`", "ask them; faultline halt --release ends it"}
}

func worseThanAllowed(s seen) cause {
	switch {
	case s.Halt == nil || s.said("could not be asked"):
		return cause{}
	case s.said("before anything was injected"):
		return cause{
			fmt.Sprintf("the mesh is as bad as the halt condition allows without any fault: %s", s.Halt.text()),
			"find out what is wrong now, or whether the condition means what it says; then run it again",
		}
	}
	return cause{
		fmt.Sprintf("the services fare worse with the fault than you allow: %s. That is a finding, not an accident", s.Halt.text()),
		"repeat it with a smaller fault (percent, pods, ramp) to see where it begins",
	}
}

func (h halt) text() string {
	if h.Measured == "" {
		return h.Condition
	}
	return h.Condition + ", found " + h.Measured
}

func nobodyCalls(s seen) cause {
	if !s.said("no proxy is known to show") {
		return cause{}
	}
	return cause{
		"no proxy has routes to the service: its callers have no sidecar, or their Sidecar resource or the object's exportTo hides it",
		fmt.Sprintf("kubectl -n %s get pods -o wide: do the callers have a container istio-proxy? istioctl proxy-config clusters POD: is the service there?", s.namespace()),
	}
}

func slowPush(s seen) cause {
	if !s.said("did not show", "did not drop") || refusedConfig(s).text != "" {
		return cause{}
	}
	for _, p := range s.Proxies {
		if p.Pending {
			return cause{
				fmt.Sprintf("%s has not acknowledged what istiod sent: %s", p.Name, p.Sync),
				"istioctl proxy-status; is istiod or that proxy short of CPU?",
			}
		}
	}
	return cause{
		"istiod did not bring the change to every proxy in time: it is down, overloaded, or debounces long",
		"kubectl -n istio-system get pods -l app=istiod, and its log; istioctl proxy-status",
	}
}

func noTraffic(s seen) cause {
	if !s.said("nothing shows that") || len(s.makers()) == 0 {
		return cause{}
	}
	for _, p := range s.makers() {
		if p.Requests > 0 {
			return cause{}
		}
	}
	return cause{
		"no access log of the proxies that make the fault has a single request: the load does not pass them, or they write no access log",
		"kubectl logs POD -c istio-proxy while the load runs; meshConfig.accessLogFile: /dev/stdout, or a Telemetry resource, makes them write one",
	}
}

func headerLost(s seen) cause {
	if !s.said("nothing shows that", "do not arrive at its hop") {
		return cause{}
	}
	requests, met := 0, 0
	for _, p := range s.makers() {
		requests, met = requests+p.Requests, met+p.Met
	}
	if requests == 0 || met > 0 {
		return cause{}
	}
	text := fmt.Sprintf("%d requests are in the logs of the proxies that make the fault, and none came to it: "+
		"the header that tells the fault's requests does not arrive there", requests)
	if s.said("the load does not send") {
		return cause{text + ", because the load does not send it", "set it in load.header, or leave faults[].headers out"}
	}
	return cause{
		text + ", so a service on the way does not forward it",
		"let each service hand on baggage (OpenTelemetry does) or x-faultline-run; send one request by hand with that header and follow it",
	}
}

func senderBusy(s seen) cause {
	if !s.said("the sender of the load was the bottleneck") {
		return cause{}
	}
	return cause{
		"the machine that sends the load was too busy, so latencies say as much of it as of the mesh",
		"lower load.rate, raise load.maxInFlight, or send from a machine with more to spare",
	}
}

func badBaseline(s seen) cause {
	if !s.said("the baseline was not good", "no request was answered in the baseline") {
		return cause{}
	}
	all := s.Phases["baseline"].Load.Codes
	text, next := "the system was not in its steady state before any fault", "bring it there, or write a steady state that it has"
	switch {
	case all["404"] > 0:
		text += fmt.Sprintf(": %d answers were 404, as a gateway gives that has no route for the host", all["404"])
		next = "compare the host of load.url with the hosts of the Gateway and the VirtualService: istioctl proxy-config routes POD -n istio-system"
	case all["0"] > 0:
		text += fmt.Sprintf(": %d requests got no answer at all", all["0"])
		next = "is load.url, load.connectTo or gateway right? curl it from this machine"
	case all["503"] > 0:
		text += fmt.Sprintf(": %d answers were 503; flags in the access logs: %s", all["503"], flagList(s.flags()))
		next = fmt.Sprintf("kubectl -n %s get pods: are they ready? istioctl analyze -n %s", s.namespace(), s.namespace())
	}
	return cause{text, next}
}

func tooFew(s seen) cause {
	if !s.said("too few samples", "no request was") || s.said("in the baseline") {
		return cause{}
	}
	return cause{"the run was too short for what it claims", "make the phase longer or raise load.rate; faultline plan computes how much is needed"}
}

// notHeld returns the texts of the checks that did not hold, or nothing.
func (s seen) notHeld() string {
	var texts []string
	for _, name := range []string{"during", "recovery"} {
		for _, c := range s.Phases[name].Checks {
			if !c.Held && !c.Open {
				texts = append(texts, c.Text)
			}
		}
	}
	return strings.Join(texts, "\n")
}
