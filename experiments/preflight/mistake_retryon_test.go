package preflight

import (
	"strings"
	"testing"
)

func TestRetriesMissHTTPErrors(t *testing.T) {
	tryMistakes(t, "retries-miss-http-errors", []mistakeCase{
		{"no retryOn", []string{virtualServiceYAML("payments", "retries: {attempts: 3}")}, nil, `VirtualService shop/payments: http[0] has retries (attempts 3) and no retryOn: Istio then tries again after failed connections, refused streams and the gRPC statuses UNAVAILABLE and CANCELLED, and never after an HTTP 500 or 503. Say what is meant, such as retryOn: 5xx, or gateway-error, which leaves 500 out. An upstream abort shows it: one try for each request.`},
		{"retryOn", []string{virtualServiceYAML("payments", "retries: {attempts: 3, retryOn: connect-failure}")}, nil, ``},
		{"no retries of its own", []string{virtualServiceYAML("payments", "timeout: 1s")}, nil, ``},
		{"switched off", []string{virtualServiceYAML("payments", "retries: {attempts: 0}")}, nil, ``},
	})
}

func TestRetryOnNoStatus(t *testing.T) {
	on := func(text string) []string {
		return []string{virtualServiceYAML("payments", "retries: {attempts: 2, retryOn: \""+text+"\"}")}
	}
	grpc := strings.Replace(serviceYAML("payments"), "name: http", "name: grpc", 1)
	tryMistakes(t, "retry-on-no-status", []mistakeCase{
		{"connections only", on("connect-failure,refused-stream"), nil, `VirtualService shop/payments: http[0] has a retryOn (connect-failure,refused-stream) without any HTTP status: no answer is tried again, only connections that fail. If errors should be, add 5xx, gateway-error, or single codes such as 503. An upstream abort with 503 shows it: one try for each request.`},
		{"gRPC statuses on an HTTP port", on("unavailable,cancelled"), nil, `VirtualService shop/payments: http[0] has a retryOn (unavailable,cancelled) without any HTTP status: no answer is tried again, only connections that fail. If errors should be, add 5xx, gateway-error, or single codes such as 503. An upstream abort with 503 shows it: one try for each request.`},
		{"gRPC statuses on a gRPC port", append(on("unavailable,cancelled"), grpc), nil, ``},
		{"codes without a code", on("connect-failure,retriable-status-codes"), nil, `VirtualService shop/payments: http[0] has retriable-status-codes in retryOn (connect-failure,retriable-status-codes) and no code beside it: no answer is tried again, whatever its status. Write the codes there, as in retryOn: connect-failure,retriable-status-codes,503. An upstream abort with 503 shows it: one try for each request.`},
		{"codes without a code beside 5xx", on("5xx,retriable-status-codes"), nil, `VirtualService shop/payments: http[0] has retriable-status-codes in retryOn (5xx,retriable-status-codes) and no code beside it, so that it adds nothing. Write the codes there, as in retryOn: 5xx,retriable-status-codes,503.`},
		{"codes with a code", on("retriable-status-codes,503"), nil, ``},
		{"a code alone", on("503"), nil, ``},
		{"gateway errors", on("gateway-error,connect-failure"), nil, ``},
		{"no retryOn at all is another mistake", []string{virtualServiceYAML("payments", "retries: {attempts: 2}")}, nil, ``},
		{"switched off", []string{virtualServiceYAML("payments", "retries: {attempts: 0, retryOn: connect-failure}")}, nil, ``},
	})
}
