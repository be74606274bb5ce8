package observe

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// requestMetric is what Istio's own proxy counts requests in. Its ports 15090
// and 15020 show the same numbers as the admin's page, which is read here over
// the connection that is held anyway.
const requestMetric = "istio_requests_total"

// The two values of [RequestSeries].Reporter, as Istio writes them.
const (
	ReportedBySource      = "source"      // by the caller's proxy, or a gateway
	ReportedByDestination = "destination" // by the proxy of the pod that is called
)

// RequestSeries is one series of istio_requests_total, with those of its labels
// that tell what became of requests. It is comparable.
type RequestSeries struct {
	Reporter string // [ReportedBySource] or [ReportedByDestination]
	Service  string // full host name of the destination, "unknown" where Istio cannot tell
	Code     int    // HTTP status; 0: no answer
	Flags    string // Envoy's response flags, by commas, such as "FI" or "DI,UT"; "-": none
}

// Has reports whether the series has one of the response flags.
func (s RequestSeries) Has(flags ...string) bool {
	return slices.ContainsFunc(strings.Split(s.Flags, ","), func(f string) bool { return slices.Contains(flags, f) })
}

// Requests are what proxies counted of requests, by series. The zero Requests
// is of a proxy that does not export them: stock Envoy, or an Istio whose
// telemetry is switched off.
type Requests map[RequestSeries]uint64

// Since returns what was counted since before was read, without what did not
// change. A series that went back counts from zero, as after a restart.
func (r Requests) Since(before Requests) Requests {
	since := Requests{}
	for series, n := range r {
		if base := before[series]; base <= n {
			n -= base
		}
		if n > 0 {
			since[series] = n
		}
	}
	return since
}

// Sum adds up the series that count says to.
func (r Requests) Sum(count func(RequestSeries) bool) int {
	sum := 0
	for series, n := range r {
		if count(series) {
			sum += int(min(n, math.MaxInt32))
		}
	}
	return sum
}

// Flags returns how many requests had each of Envoy's response flags, of the
// series that count says to.
func (r Requests) Flags(count func(RequestSeries) bool) map[string]int {
	flags := map[string]int{}
	for series, n := range r {
		if !count(series) {
			continue
		}
		for flag := range strings.SplitSeq(series.Flags, ",") {
			if flag != "-" && flag != "" {
				flags[flag] += int(min(n, math.MaxInt32))
			}
		}
	}
	return flags
}

// Requests reads istio_requests_total of a proxy. That a proxy does not export
// it is no error: the answer is empty then. Reading takes 5 seconds at most.
func (m *Mesh) Requests(ctx context.Context, p Proxy) (Requests, error) {
	data, err := m.do(ctx, http.MethodGet, p, "/stats/prometheus?usedonly&filter="+requestMetric, readTimeout)
	if err != nil {
		return nil, err
	}
	requests, err := parseRequests(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	return requests, nil
}

// parseRequests reads the text format of Prometheus. Metrics other than
// istio_requests_total are passed over.
func parseRequests(data []byte) (Requests, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("parse prometheus stats: %w", err)
	}
	requests := Requests{}
	for _, metric := range families[requestMetric].GetMetric() {
		value := counterOf(metric)
		if math.IsNaN(value) || value < 0 {
			return nil, fmt.Errorf("parse prometheus stats: %s is %v", requestMetric, value)
		}
		requests[seriesOf(metric)] += uint64(value)
	}
	return requests, nil
}

// counterOf is a metric's value: Envoy says that it is a counter, others may not.
func counterOf(metric *dto.Metric) float64 {
	if metric.GetCounter() == nil {
		return metric.GetUntyped().GetValue()
	}
	return metric.GetCounter().GetValue()
}

func seriesOf(metric *dto.Metric) RequestSeries {
	var series RequestSeries
	for _, label := range metric.GetLabel() {
		switch label.GetName() {
		case "reporter":
			series.Reporter = label.GetValue()
		case "destination_service":
			series.Service = label.GetValue()
		case "response_flags":
			series.Flags = label.GetValue()
		case "response_code":
			if code, err := strconv.Atoi(label.GetValue()); err == nil {
				series.Code = code
			}
		}
	}
	return series
}
