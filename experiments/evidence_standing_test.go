package experiments

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/faultline-mesh/faultline/experiments/preflight"
)

// ratings is a call whose one route has the fault.
func ratings(fault *networking.HTTPFaultInjection) preflight.Hop {
	return preflight.Hop{
		To: preflight.Service{Namespace: "shop", Name: "ratings", Host: "ratings.shop.svc.cluster.local"}, Port: preflight.Port{Number: 80},
		Routes: []preflight.Route{{Object: "VirtualService shop/ratings", Fault: fault}},
	}
}

var slowTenth = &networking.HTTPFaultInjection{Delay: &networking.HTTPFaultInjection_Delay{
	HttpDelayType: &networking.HTTPFaultInjection_Delay_FixedDelay{FixedDelay: durationpb.New(5 * time.Second)},
	Percentage:    &networking.Percent{Value: 10},
}}

// logged makes requests to ratings, some of which were delayed, and others.
func logged(delayed, of int) []hit {
	var all []hit
	for n := range of {
		h := hit{flags: []string{"-"}, cluster: "outbound|80|v1|ratings.shop.svc.cluster.local"}
		if n < delayed {
			h.flags = []string{"DI"}
		}
		all = append(all, h,
			hit{flags: []string{"DI"}, cluster: "outbound|80||reviews.shop.svc.cluster.local"},
			hit{flags: []string{"DI"}, cluster: "inbound|8080||"})
	}
	return all
}

func TestAStandingFaultIsCounted(t *testing.T) {
	faults := standingFaults([]preflight.Hop{ratings(slowTenth)})
	if len(faults) != 1 {
		t.Fatalf("found %v", faults)
	}
	const fault = "delay 5s on 10% of the requests to ratings.shop.svc.cluster.local by VirtualService shop/ratings"
	for _, test := range []struct {
		delayed, of int
		off         string
	}{
		{50, 500, ""},
		{0, 500, ""}, // that it never fired is said by the number
		{200, 500, fault + " fired on 200 of 500 requests (access log), which is between 29.64% and 51.01% of them and cannot be 10%; " +
			"look for another route, another fault or an old configuration that answers for these requests"},
	} {
		got := faults[0].evidence(logged(test.delayed, test.of), DefaultAlpha)
		if got.Fault != fault || got.Fired != test.delayed || got.Of != test.of || got.Off != test.off {
			t.Errorf("%d of %d: %s; off: %q", test.delayed, test.of, got, got.Off)
		}
	}
}

// Where some requests take another route, or come by a gateway, logs do not tell
// how many the fault could hit.
func TestStandingFaultsThatCannotBeCounted(t *testing.T) {
	two := ratings(slowTenth)
	two.Routes = append(two.Routes, preflight.Route{})
	gateway := ratings(slowTenth)
	gateway.From.Gateway = "shop/web"
	some := ratings(slowTenth)
	some.Routes = []preflight.Route{{Fault: slowTenth, Match: []*networking.HTTPMatchRequest{{Method: exactly("POST")}}}}
	if found := standingFaults([]preflight.Hop{two, gateway, some, ratings(nil)}); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

func exactly(text string) *networking.StringMatch {
	return &networking.StringMatch{MatchType: &networking.StringMatch_Exact{Exact: text}}
}

func TestAbortsStandAsWell(t *testing.T) {
	both := &networking.HTTPFaultInjection{Delay: slowTenth.Delay, Abort: &networking.HTTPFaultInjection_Abort{
		ErrorType: &networking.HTTPFaultInjection_Abort_HttpStatus{HttpStatus: 503}, Percentage: &networking.Percent{Value: 100},
	}}
	grpc := &networking.HTTPFaultInjection{Abort: &networking.HTTPFaultInjection_Abort{
		ErrorType: &networking.HTTPFaultInjection_Abort_GrpcStatus{GrpcStatus: "UNAVAILABLE"}, Percentage: &networking.Percent{Value: 5},
	}}
	var texts []string
	for _, f := range standingFaults([]preflight.Hop{ratings(both), ratings(grpc)}) {
		texts = append(texts, fmt.Sprint(f.flag, " ", f.text))
	}
	got := strings.Join(texts, "\n")
	if !strings.Contains(got, "DI delay 5s on 10%") || !strings.Contains(got, "FI abort 503 on 100%") || !strings.Contains(got, "FI abort UNAVAILABLE on 5%") {
		t.Errorf("found %s", got)
	}
}
