package preflight

import "testing"

func TestFaultBesidePolicy(t *testing.T) {
	const fault = "fault: {abort: {httpStatus: 503, percentage: {value: 10}}}\n"
	tryMistakes(t, "fault-beside-policy", []mistakeCase{
		{"abort with retries", []string{virtualServiceYAML("payments", fault+"timeout: 1s\nretries: {attempts: 2, retryOn: 5xx}")}, nil, `VirtualService shop/payments: http[0] has a fault of its own beside timeout 1s and retries 2: the proxy makes the fault first, and an aborted request is answered before it is routed, so no try is made. The fault tests the caller's application, never this route's policy. To test the policy take the fault out and use one at the upstream site.`},
		{"delay with a timeout", []string{virtualServiceYAML("payments", "fault: {delay: {fixedDelay: 5s, percentage: {value: 10}}}\ntimeout: 1s")}, nil, `VirtualService shop/payments: http[0] has a fault of its own beside timeout 1s: the proxy makes the fault first, and a delayed request waits before it is routed, and the clocks start afterwards. The fault tests the caller's application, never this route's policy. To test the policy take the fault out and use one at the upstream site.`},
		{"on its own", []string{virtualServiceYAML("payments", fault)}, nil, ``},
		{"retries switched off", []string{virtualServiceYAML("payments", fault+"retries: {attempts: 0}")}, nil, ``},
		{"no fault", []string{virtualServiceYAML("payments", "timeout: 1s")}, nil, ``},
	})
}

func TestFaultWithoutPercentage(t *testing.T) {
	tryMistakes(t, "fault-without-percentage", []mistakeCase{
		{"abort", []string{virtualServiceYAML("payments", "fault: {abort: {httpStatus: 503}}")}, nil, `VirtualService shop/payments: http[0] has a fault (abort) without percentage, which Istio takes for 0%, not for 100%: it never fires. Write percentage: {value: 100}, or the share that is meant.`},
		{"both", []string{virtualServiceYAML("payments", "fault: {abort: {httpStatus: 503}, delay: {fixedDelay: 1s}}")}, nil, `VirtualService shop/payments: http[0] has a fault (delay and abort) without percentage, which Istio takes for 0%, not for 100%: it never fires. Write percentage: {value: 100}, or the share that is meant.`},
		{"one of both", []string{virtualServiceYAML("payments", "fault: {abort: {httpStatus: 503, percentage: {value: 1}}, delay: {fixedDelay: 1s}}")}, nil, `VirtualService shop/payments: http[0] has a fault (delay) without percentage, which Istio takes for 0%, not for 100%: it never fires. Write percentage: {value: 100}, or the share that is meant.`},
		{"the old field of a delay", []string{virtualServiceYAML("payments", "fault: {delay: {fixedDelay: 1s, percent: 10}}")}, nil, ``},
		{"0 on purpose", []string{virtualServiceYAML("payments", "fault: {abort: {httpStatus: 503, percentage: {value: 0}}}")}, nil, ``},
	})
}
