package injector

import (
	"fmt"
	"math"
	"testing"
	"time"
)

const grpcFailures = "CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, " +
	"RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED"

func TestEffectValidate(t *testing.T) {
	tests := []struct {
		effect Effect
		want   string // "" for valid
	}{
		{Delay{Fixed: 2 * time.Second, Percent: 100}, ""},
		{Delay{Fixed: time.Millisecond, Percent: 0.0001}, ""},
		{Delay{}, "fixed: 0s is not a positive duration\npercent: 0 is not above 0 and up to 100"},
		{Delay{Fixed: -1, Percent: 1}, "fixed: -1ns is not a positive duration"},
		{Delay{Fixed: 500 * time.Microsecond, Percent: 1}, "fixed: 500µs is below 1ms, the shortest delay that Istio accepts"},
		{Delay{Fixed: time.Second, Percent: 100.1}, "percent: 100.1 is not above 0 and up to 100"},
		{Delay{Fixed: time.Second, Percent: math.NaN()}, "percent: NaN is not above 0 and up to 100"},
		{Delay{Fixed: time.Second, Percent: 0.00009}, "percent: 9e-05 is below 0.0001, the smallest share that proxies draw"},
		{Abort{HTTPStatus: 200, Percent: 1}, ""},
		{Abort{HTTPStatus: 599, Percent: 1}, ""},
		{Abort{}, "effect: the abort has neither an httpStatus nor a grpcStatus; want one of them\npercent: 0 is not above 0 and up to 100"},
		{Abort{HTTPStatus: 199, Percent: 1}, "httpStatus: 199 is not between 200 and 599"},
		{Abort{HTTPStatus: 600, Percent: 1}, "httpStatus: 600 is not between 200 and 599"},
		{Abort{GRPCStatus: "UNAVAILABLE", Percent: 1}, ""},
		{Abort{GRPCStatus: "UNAUTHENTICATED", Percent: 1}, ""},
		{
			Abort{GRPCStatus: "UNAVAILABLE", HTTPStatus: 503, Percent: 1},
			"grpcStatus: found UNAVAILABLE, but httpStatus is set, too, and says 503; want one of them",
		},
		{Abort{GRPCStatus: "OK", Percent: 1}, `grpcStatus: "OK" is not the name of a failure in gRPC; known are ` + grpcFailures},
		{Abort{GRPCStatus: "unavailable", Percent: 1}, `grpcStatus: "unavailable" is not the name of a failure in gRPC; known are ` + grpcFailures},
		{Delays{Steps: []DelayStep{{50 * time.Millisecond, 95}, {2 * time.Second, 5}}}, ""},
		{Delays{Steps: []DelayStep{{1 * time.Millisecond, 33.3}, {2 * time.Second, 33.3}, {3 * time.Second, 33.4}}}, ""},
		{Delays{Steps: []DelayStep{{time.Second, 100.0 / 4096}}}, ""},
		{Delays{}, "steps: is empty, want one or more of a delay and its percentage"},
		{
			Delays{Steps: []DelayStep{{time.Second, 60}, {0, 0.02}, {2 * time.Second, 40}}},
			"steps[1].fixed: 0s is not a positive duration\n" +
				"steps[1].percent: 0.02 is below 0.0244, the smallest share that can be drawn by request id: one in 4096\n" +
				"steps: their percentages sum to 100.02, above 100",
		},
		{Delays{Steps: []DelayStep{{time.Second, math.NaN()}}}, "steps[0].percent: NaN is not above 0 and up to 100"},
		{Without{Policy: Retries}, ""},
		{Without{Policy: Timeout}, ""},
		{Without{}, "policy: no policy: say Retries or Timeout"},
		{Without{Policy: 7}, "policy: policy(7): say Retries or Timeout"},
		{Blackhole{Percent: 100}, ""},
		{Blackhole{}, "percent: 0 is not above 0 and up to 100"},
		{Blackhole{Percent: 0.01}, "percent: 0.01 is below 0.0244, the smallest share that can be drawn by request id: one in 4096"},
		{Abort{HTTPStatus: 500, Percent: -1}, "percent: -1 is not above 0 and up to 100"},
	}
	for _, test := range tests {
		got := ""
		if err := test.effect.Validate(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%#v: %q, want %q", test.effect, got, test.want)
		}
	}
}

func TestEffectRenderings(t *testing.T) {
	tests := []struct {
		effect              Effect
		text, istio, envoys string
	}{
		{
			Delay{Fixed: 90 * time.Second, Percent: 0.25},
			"delay 1m30s on 0.25%",
			`{"delay":{"fixedDelay":"90s","percentage":{"value":0.25}}}`,
			`{"delay":{"fixed_delay":"90s","percentage":{"denominator":"MILLION","numerator":2500}}}`,
		},
		{
			Abort{HTTPStatus: 503, Percent: 100},
			"abort 503 on 100%",
			`{"abort":{"httpStatus":503,"percentage":{"value":100}}}`,
			`{"abort":{"http_status":503,"percentage":{"denominator":"MILLION","numerator":1000000}}}`,
		},
		{
			Abort{GRPCStatus: "UNAVAILABLE", Percent: 5},
			"abort UNAVAILABLE on 5%",
			`{"abort":{"grpcStatus":"UNAVAILABLE","percentage":{"value":5}}}`,
			`{"abort":{"grpc_status":14,"percentage":{"denominator":"MILLION","numerator":50000}}}`,
		},
	}
	for _, test := range tests {
		if got := fmt.Sprint(test.effect); got != test.text {
			t.Errorf("%q, want %q", got, test.text)
		}
		clones, err := test.effect.inRoute(object{"name": "a"}, spot{})
		if err != nil || len(clones) != 1 || asJSON(t, clones[0]["fault"]) != test.istio {
			t.Errorf("istio: %s, %v, want the fault %s", asJSON(t, clones), err, test.istio)
		}
		filters, err := test.effect.inPod(spot{})
		if err != nil || len(filters) != 1 || asJSON(t, filters[0]) != test.envoys {
			t.Errorf("envoy: %s, %v, want %s", asJSON(t, filters), err, test.envoys)
		}
	}
}

func TestSeconds(t *testing.T) {
	tests := map[time.Duration]string{
		time.Second:               "1s",
		10 * time.Second:          "10s",
		time.Millisecond:          "0.001s",
		2500 * time.Millisecond:   "2.5s",
		time.Hour + 1:             "3600.000000001s",
		100 * time.Hour:           "360000s",
		1001 * time.Microsecond:   "0.001001s",
		time.Minute + time.Second: "61s",
	}
	for d, want := range tests {
		if got := seconds(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestFaultString(t *testing.T) {
	f := Fault{
		On:     Service{Namespace: "shop", Name: "payments", Port: 80, Subset: "v2"},
		Effect: Abort{HTTPStatus: 503, Percent: 50}, Site: Upstream,
	}
	if got, want := f.String(), "abort 503 on 50% at the upstream of shop/payments:80 subset v2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	f = Fault{On: onPayments, Site: Caller, Ramp: []float64{1, 10}}
	for want, effect := range map[string]Effect{
		"blackhole on 100% after 1% after 10% at the caller of shop/payments": Blackhole{Percent: 100},
		"without retries at the caller of shop/payments":                      Without{Policy: Retries},
		"without timeout at the caller of shop/payments":                      Without{Policy: Timeout},
		"delays 50ms on 95%, 2s on 5% at the caller of shop/payments":         Delays{Steps: []DelayStep{{50 * time.Millisecond, 95}, {2 * time.Second, 5}}},
	} {
		f.Effect = effect
		if _, rises := effect.(ramped); !rises {
			f.Ramp = nil
		}
		if f.String() != want {
			t.Errorf("%q, want %q", f, want)
		}
		f.Ramp = []float64{1, 10}
	}
	for site, want := range map[Site]string{NoSite: "no site", Caller: "caller", Upstream: "upstream", 9: "site(9)"} {
		if site.String() != want {
			t.Errorf("%q, want %q", site, want)
		}
	}
}
