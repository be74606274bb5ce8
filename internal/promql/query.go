package promql

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// Answer is what a query gave.
type Answer struct {
	Samples  []Sample // those with a number, in the server's order; none: there are no data
	NaN      int      // how many more are not a number
	Warnings []string // of the server
}

// Sample is one element of the answer.
type Sample struct {
	Labels string // such as {pod="checkout-1"}; {} of a scalar and of what has none
	Value  float64
}

// Ask evaluates query now, by the server's clock. The query must give a scalar or
// an instant vector. An error names the query as it was sent, and the server.
func Ask(ctx context.Context, s Server, query string) (Answer, error) {
	answer, err := s.ask(ctx, query)
	if err != nil {
		return Answer{}, fmt.Errorf("query %q at %s: %w", query, s.shown(), err)
	}
	return answer, nil
}

func (s Server) ask(ctx context.Context, query string) (Answer, error) {
	if strings.TrimSpace(query) == "" {
		return Answer{}, errors.New("the query is empty, want one that gives a number, such as sum(rate(istio_requests_total[30s]))")
	}
	if err := errors.Join(s.Problems()...); err != nil {
		return Answer{}, err
	}
	client, err := s.open()
	if err != nil {
		return Answer{}, err
	}
	within := s.Timeout
	if within == 0 {
		within = DefaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("no answer within %s", within))
	defer cancel()
	value, warnings, err := client.Query(ctx, query, time.Time{}, v1.WithTimeout(within))
	if err != nil {
		return Answer{}, trouble(ctx, err)
	}
	answer, err := read(value)
	answer.Warnings = warnings
	return answer, err
}

// trouble words what went wrong.
func trouble(ctx context.Context, err error) error {
	var answered *v1.Error
	var unreached *url.Error
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &answered) && (answered.Type == v1.ErrBadData || answered.Type == v1.ErrExec):
		return fmt.Errorf("the server refuses it: %s", answered.Msg)
	case errors.As(err, &answered):
		return fmt.Errorf("the server does not answer it: %w; is it a Prometheus, and are the credentials right?", answered)
	case errors.As(err, &unreached):
		return fmt.Errorf("the server cannot be reached: %w", unreached.Err)
	}
	return fmt.Errorf("its answer cannot be read: %w", err)
}

// read takes a value apart.
func read(value model.Value) (Answer, error) {
	var answer Answer
	switch v := value.(type) {
	case *model.Scalar:
		answer.add("{}", float64(v.Value))
	case model.Vector:
		for _, sample := range v {
			if sample.Histogram != nil {
				return Answer{}, errors.New("it gives native histograms, want numbers, as histogram_quantile(0.99, …) makes of them")
			}
			answer.add(sample.Metric.String(), float64(sample.Value))
		}
	case model.Matrix:
		return Answer{}, errors.New("it gives a range vector, want a scalar or an instant vector, as rate(…[30s]) or last_over_time(…[30s]) makes of it")
	default:
		return Answer{}, fmt.Errorf("it gives a %s, want a scalar or an instant vector", value.Type())
	}
	return answer, nil
}

func (a *Answer) add(labels string, value float64) {
	if math.IsNaN(value) { // of 0/0: no requests, no share of them
		a.NaN++
		return
	}
	a.Samples = append(a.Samples, Sample{Labels: labels, Value: value})
}

// String says what there is, in a few words.
func (a Answer) String() string {
	const few = 5
	if len(a.Samples) == 0 {
		if a.NaN > 0 {
			return fmt.Sprintf("no number in %d elements (NaN, as of 0/0)", a.NaN)
		}
		return "no data"
	}
	var texts []string
	for _, s := range a.Samples[:min(few, len(a.Samples))] {
		texts = append(texts, s.String())
	}
	if more := len(a.Samples) - few; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}

// String returns the value and, where there are some, its labels.
func (s Sample) String() string {
	text := fmt.Sprintf("%.6g", s.Value)
	if s.Labels != "{}" && s.Labels != "" {
		text += " " + s.Labels
	}
	return text
}
