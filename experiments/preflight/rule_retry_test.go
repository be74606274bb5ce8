package preflight

import (
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/claim"
)

func TestRetryNotCovered(t *testing.T) {
	of := func(status int) []injector.Fault { return []injector.Fault{abort(injector.Upstream, status, 100, 0)} }
	slow := []injector.Fault{delayed(injector.Upstream, time.Second)}
	grpc := abort(injector.Upstream, 0, 100, 0)
	grpc.Effect = injector.Abort{GRPCStatus: "UNAVAILABLE", Percent: 100}
	claims := []Claimed{tried(2)}
	retries := func(text string) []string { return []string{virtualServiceYAML("payments", "retries: {"+text+"}")} }
	runRule(t, "retry-not-covered", true, []ruleCase{
		{
			name: "503 by Istio's default", faults: of(503), claims: claims,
			want: "during[0]: asserts that requests to payments are tried again, and abort 503 on 100% is not among what they are tried again on: there are retries 2 on " +
				"connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes (Istio's default). Set retries.retryOn: 5xx in the route.",
		},
		{
			name: "none", faults: of(503), claims: claims, objects: retries("attempts: 0"),
			want: "during[0]: VirtualService shop/payments: asserts that requests to payments are tried again, and abort 503 on 100% is not among what they are tried again on: the route has none (attempts: 0). Set retries in it.",
		},
		{
			name: "500 is no gateway-error", faults: of(500), claims: claims, objects: retries("attempts: 2, retryOn: gateway-error"),
			want: "during[0]: VirtualService shop/payments: asserts that requests to payments are tried again, and abort 500 on 100% is not among what they are tried again on: there are retries 2 on gateway-error. Set retries.retryOn: 5xx in the route.",
		},
		{
			name: "a delay without perTryTimeout", faults: slow, claims: claims, objects: retries("attempts: 2, retryOn: 5xx"),
			want: "during[0]: VirtualService shop/payments: asserts that requests to payments are tried again, and delay 1s on 100% is not among what they are tried again on: there are retries 2 on 5xx, and no perTryTimeout that would end a slow try. Set retries.perTryTimeout below the delay.",
		},
		{
			name: "a delay within perTryTimeout", faults: slow, claims: claims, objects: retries("attempts: 2, perTryTimeout: 2s, retryOn: 5xx"),
			want: "during[0]: VirtualService shop/payments: asserts that requests to payments are tried again, and delay 1s on 100% is not among what they are tried again on: a try may take 2s, which is longer than the delay. Delay for longer.",
		},
		{
			name: "a slow try is no 503", faults: slow, claims: claims, objects: retries("attempts: 2, perTryTimeout: 500ms, retryOn: \"503\""),
			want: "during[0]: VirtualService shop/payments: asserts that requests to payments are tried again, and delay 1s on 100% is not among what they are tried again on: there are retries 2 × 500ms on 503, and tries that took too long are not among them. Set retries.retryOn: 5xx in the route.",
		},
		{name: "5xx", faults: of(503), claims: claims, objects: retries("attempts: 2, retryOn: 5xx")},
		{name: "the number", faults: of(409), claims: claims, objects: retries("attempts: 2, retryOn: \"409\"")},
		{name: "a slow try", faults: slow, claims: claims, objects: retries("attempts: 2, perTryTimeout: 500ms, retryOn: 5xx")},
		{name: "UNAVAILABLE by Istio's default", faults: []injector.Fault{grpc}, claims: claims},
		{name: "at most", faults: of(503), claims: []Claimed{during(claim.Claim{Kind: claim.Tries, Service: "payments", Range: claim.AtMost(1)})}},
	})
	runRule(t, "retry-not-covered", false, []ruleCase{
		{name: "a hop before may do it", faults: of(404), claims: claims, objects: []string{
			virtualServiceYAML("payments", "retries: {attempts: 2, retryOn: 5xx}"),
			strings.ReplaceAll(virtualServiceYAML("checkout", "retries: {attempts: 2, retryOn: 5xx}"), "payments", "checkout"),
		}, want: "during[0]: VirtualService shop/payments: asserts that requests to payments are tried again, and abort 404 on 100% is not among what they are tried again on: there are retries 2 on 5xx. " +
			"Set retries.retryOn: \"404\" in the route. It can be true only if a hop before it tries again, such as one by VirtualService shop/checkout."},
	})
}

func TestTriesDoNotFit(t *testing.T) {
	slow, failing := []injector.Fault{delayed(injector.Upstream, time.Second)}, []injector.Fault{abort(injector.Upstream, 503, 100, 0)}
	route := func(timeout string) []string {
		return []string{virtualServiceYAML("payments", "timeout: "+timeout+"\nretries: {attempts: 2, perTryTimeout: 500ms, retryOn: 5xx}")}
	}
	runRule(t, "tries-do-not-fit", true, []ruleCase{
		{
			name: "a slow third try", faults: slow, claims: []Claimed{tried(3)}, objects: route("1s"),
			want: "during[0]: VirtualService shop/payments: asserts at least 3 tries of each request to payments, and a try that fails takes the perTryTimeout of 500ms: " +
				"only 2 of 3 begin within the timeout of 1s. Set timeout to more than 1s, or perTryTimeout to less.",
		},
		{
			name: "more than attempts", faults: failing, claims: []Claimed{tried(4)}, objects: route("1s"),
			want: "during[0]: VirtualService shop/payments: asserts at least 4 tries of each request to payments, and attempts: 2 makes 3 at most. Claim fewer, or set retries.attempts to 3.",
		},
		{name: "they fit", faults: slow, claims: []Claimed{tried(3)}, objects: route("2s")},
		{name: "tries that fail at once", faults: failing, claims: []Claimed{tried(3)}, objects: route("1s")},
	})
}
