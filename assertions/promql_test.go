package assertions_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	. "github.com/faultline-mesh/faultline/assertions"
)

// fetched is what a query gives at a server that answers with a vector of these
// elements.
func fetched(t *testing.T, elements string) any {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[`+elements+`]}}`)
	}))
	t.Cleanup(server.Close)
	seen, err := HavePromQL(Prometheus{URL: server.URL}, "errors", AtLeast(0)).(interface {
		Fetch(context.Context) (any, error)
	}).Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func TestHavePromQL(t *testing.T) {
	server := Prometheus{URL: "http://prometheus:9090"}
	errors := func(bound any) types.GomegaMatcher { return HavePromQL(server, "errors", bound) }
	pods := fetched(t, `{"metric":{"pod":"a"},"value":[1,"0.5"]},{"metric":{"pod":"b"},"value":[1,"3"]},{"metric":{"pod":"c"},"value":[1,"2"]}`)
	one := fetched(t, `{"metric":{},"value":[1,"0.123456"]}`)
	infinite := fetched(t, `{"metric":{},"value":[1,"+Inf"]}`)
	const of = "\n    0.5 {pod=\"a\"}, 3 {pod=\"b\"}, 2 {pod=\"c\"}"
	run(t, []check{
		{name: "holds of one", actual: one, matcher: errors(AtMost(0.2))},
		{name: "holds of any", actual: pods, matcher: errors(AtLeast(3))},
		{name: "holds of any at most", actual: pods, matcher: errors(AtMost(0.5))},
		{name: "holds by another matcher", actual: pods, matcher: errors(gomega.BeNumerically("==", 2))},
		{name: "holds of infinity", actual: infinite, matcher: errors(AtLeast(1))},
		{
			name: "fails", actual: pods, matcher: errors(AtLeast(4)),
			want: "Expected promql errors to be at least 4, but it was 3" + of,
		},
		{
			name: "fails at most", actual: pods, matcher: errors(AtMost(0.1)),
			want: "Expected promql errors to be at most 0.1, but it was 0.5" + of,
		},
		{
			name: "holds and should not", not: true, actual: pods, matcher: errors(AtLeast(1)),
			want: "Expected promql errors not to be at least 1, but it was 3" + of,
		},
		{
			name: "no data", open: true, actual: fetched(t, ``), matcher: errors(AtLeast(0)),
			want: "HavePromQL has no samples: promql errors gives no data",
		},
		{
			name: "no number", open: true, actual: fetched(t, `{"metric":{},"value":[1,"NaN"]}`), matcher: errors(AtLeast(0)),
			want: "HavePromQL has no samples: promql errors gives no number in 1 elements (NaN, as of 0/0)",
		},
		{
			name: "a phase", actual: &phase{}, matcher: errors(AtLeast(1)),
			want: "HavePromQL judges what its Fetch gives and is for haltWhen only, not *assertions_test.phase",
		},
		{
			name: "misuse", actual: pods, matcher: HavePromQL(Prometheus{}, " ", 5),
			want: "HavePromQL: url: is missing, want that of a Prometheus server, such as http://prometheus.istio-system:9090\n" +
				"query: is missing, want one that gives a number, such as sum(rate(istio_requests_total[30s]))\n" +
				"bound: HavePromQL takes AtLeast(x), AtMost(x) or another gomega matcher as its bound, not the int 5",
		},
	})
}

// For reports, the element that decided is named.
func TestHavePromQLMeasures(t *testing.T) {
	pods := fetched(t, `{"metric":{"pod":"a"},"value":[1,"0.5"]},{"metric":{"pod":"b"},"value":[1,"3"]}`)
	for _, test := range []struct {
		bound types.GomegaMatcher
		want  string
	}{{AtLeast(2), `3 {pod="b"}`}, {AtMost(0.1), `0.5 {pod="a"}`}, {gomega.BeNumerically("==", 7), `0.5 {pod="a"}`}} {
		m := HavePromQL(Prometheus{URL: "http://prometheus:9090"}, "errors", test.bound)
		if got := m.(interface{ Measured(any) string }).Measured(pods); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestHavePromQLThatCannotAsk(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, err := HavePromQL(Prometheus{URL: server.URL}, "errors", AtLeast(1)).(interface {
		Fetch(context.Context) (any, error)
	}).Fetch(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), `query "errors" at `+server.URL+": the server cannot be reached: ") {
		t.Errorf("got %v", err)
	}
}
