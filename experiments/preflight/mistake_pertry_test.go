package preflight

import (
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

func slowBy(d time.Duration) func(*Question) {
	return func(q *Question) { q.Faults[0].Effect = injector.Delay{Fixed: d, Percent: 100} }
}

func TestPerTryCutsAll(t *testing.T) {
	retries := func(on string) []string {
		return []string{virtualServiceYAML("payments", "timeout: 2s\nretries: {attempts: 2, perTryTimeout: 500ms, retryOn: "+on+"}")}
	}
	tryMistakes(t, "per-try-timeout-cuts-all", []mistakeCase{
		{"nothing repeats a try that ran out", retries("connect-failure"), nil, `VirtualService shop/payments: http[0] has a perTryTimeout of 500ms, which the first try has as well, and no condition in retryOn by which a try that ran out of it is repeated: every call longer than 500ms ends in a 504, and nobody tries again. Add 5xx, gateway-error or reset to retryOn, or say timeout: 500ms in place of perTryTimeout.`},
		{"single statuses do not", retries(`"503,504"`), nil, `VirtualService shop/payments: http[0] has a perTryTimeout of 500ms, which the first try has as well, and no condition in retryOn by which a try that ran out of it is repeated: every call longer than 500ms ends in a 504, and nobody tries again. Add 5xx, gateway-error or reset to retryOn, or say timeout: 500ms in place of perTryTimeout.`},
		{"5xx does", retries("5xx"), nil, ``},
		{"a delay between the two", retries("gateway-error"), slowBy(700 * time.Millisecond), `VirtualService shop/payments: http[0] has a perTryTimeout of 500ms, which the first try has as well: a call that faults[0] holds for 700ms is cut off at 500ms, though the timeout of 2s would allow it. If such calls should pass, set perTryTimeout above 700ms, or leave it out.`},
		{"without timeout", []string{virtualServiceYAML("payments", "retries: {attempts: 2, perTryTimeout: 500ms, retryOn: 5xx}")}, slowBy(time.Second), `VirtualService shop/payments: http[0] has a perTryTimeout of 500ms, which the first try has as well: a call that faults[0] holds for 1s is cut off at 500ms, though a route without timeout would allow it. If such calls should pass, set perTryTimeout above 1s, or leave it out.`},
		{"a delay of just perTryTimeout", retries("gateway-error"), slowBy(500 * time.Millisecond), ``},
		{"a delay as long as the timeout", retries("gateway-error"), slowBy(2 * time.Second), ``},
		{"a delay at the caller", retries("gateway-error"), func(q *Question) {
			q.Faults[0] = injector.Fault{On: q.Faults[0].On, Site: injector.Caller, Effect: injector.Delay{Fixed: time.Second, Percent: 100}}
		}, ``},
		{"perTryTimeout never counts", []string{virtualServiceYAML("payments", "timeout: 500ms\nretries: {attempts: 2, perTryTimeout: 500ms}")}, nil, ``},
	})
}
