package preflight

import "testing"

func TestLastTryNeverEnds(t *testing.T) {
	tryMistakes(t, "last-try-never-ends", []mistakeCase{
		{"typical", []string{virtualServiceYAML("payments", "timeout: 30s\nretries: {attempts: 3, perTryTimeout: 10s, retryOn: 5xx}")}, nil, `VirtualService shop/payments: http[0] allows 4 tries of 10s each (retries.attempts 3, perTryTimeout), 40s in all, and ends the request after 30s (timeout): when tries are slow, only 3 of them run to their end. Set timeout to 40s or more, or perTryTimeout to 7.5s or less. An upstream delay above 10s shows it: 3 tries of each request, not 4.`},
		{"slow tries are not repeated at all", []string{virtualServiceYAML("payments", "timeout: 30s\nretries: {attempts: 3, perTryTimeout: 10s}")}, nil, `VirtualService shop/payments: http[0] allows 4 tries of 10s each (retries.attempts 3, perTryTimeout), 40s in all, and ends the request after 30s (timeout): when tries are slow, only 3 of them run to their end. Set timeout to 40s or more, or perTryTimeout to 7.5s or less.`},
		{"not even the first", []string{virtualServiceYAML("payments", "timeout: 1s\nretries: {attempts: 2, perTryTimeout: 2s, retryOn: 5xx}")}, nil, `VirtualService shop/payments: http[0] ends a request after 1s (timeout), before the perTryTimeout of even its first try, 2s: a slow try is never followed by another. Set perTryTimeout to 333ms or less, so that 3 tries fit, or timeout to 6s or more.`},
		{"they fit to the millisecond", []string{virtualServiceYAML("payments", "timeout: 1500ms\nretries: {attempts: 2, perTryTimeout: 500ms, retryOn: 5xx}")}, nil, ``},
		{"a millisecond too long", []string{virtualServiceYAML("payments", "timeout: 1499ms\nretries: {attempts: 2, perTryTimeout: 500ms, retryOn: 5xx}")}, nil, `VirtualService shop/payments: http[0] allows 3 tries of 500ms each (retries.attempts 2, perTryTimeout), 1.5s in all, and ends the request after 1.499s (timeout): when tries are slow, only 2 of them run to their end. Set timeout to 1.5s or more, or perTryTimeout to 499ms or less.`},
		{"no timeout", []string{virtualServiceYAML("payments", "retries: {attempts: 3, perTryTimeout: 10s, retryOn: 5xx}")}, nil, ``},
		{"no retries", []string{virtualServiceYAML("payments", "timeout: 1s\nretries: {attempts: 0}")}, nil, ``},
		{"of a stranger", []string{`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: checkout, namespace: shop}
spec: {hosts: [checkout], http: [{timeout: 30s, retries: {attempts: 3, perTryTimeout: 10s}, route: [{destination: {host: checkout}}]}]}`}, nil, ``},
	})
}
