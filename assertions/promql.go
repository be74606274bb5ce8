// A condition on what a Prometheus server says.

package assertions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/internal/promql"
)

// Prometheus is a Prometheus server, or one that speaks its query API, and how to
// show it who asks: by a bearer token, by basic authentication, or not at all.
// Secrets come from files or from the environment and are in no message. Proxy
// settings of the environment have no effect, and redirects are not followed.
type Prometheus struct {
	URL             string        // such as http://prometheus.istio-system:9090; required
	BearerTokenFile string        // file that holds a bearer token, read anew for each query
	BearerTokenEnv  string        // environment variable that holds one
	Username        string        // of basic authentication
	PasswordFile    string        // file that holds its password
	PasswordEnv     string        // environment variable that holds it
	CAFile          string        // PEM file of certificates to trust for https, in place of the system's
	Timeout         time.Duration // of each query; 2 s when zero
}

// HavePromQL succeeds if at least one element of what query gives is within
// bound: [AtLeast], [AtMost] or any gomega matcher for a float64. The query gives
// a scalar or an instant vector; elements that are not a number (0/0) are left
// out, and without any other its error is [NoSamples].
//
// It is for HaltWhen of an experiment, which asks the server before anything is
// written and then every second. What it judges is what its method Fetch gives,
// not a phase.
func HavePromQL(server Prometheus, query string, bound any) types.GomegaMatcher {
	const name = "HavePromQL"
	c := comparison{matcher: name, subject: "promql " + query, bound: bound}
	m := &promQL{server: promql.Server(server), query: query, check: c.check}
	m.says = &matcher{text: c.text(), judge: func(actual any) (finding, error) {
		if err := m.misuse(); err != nil {
			return finding{}, err
		}
		answer, ok := actual.(promql.Answer)
		if !ok {
			return finding{}, fmt.Errorf("%s judges what its Fetch gives and is for haltWhen only, not %s", name, typeOf(actual))
		}
		return judgeAnswer(c, answer)
	}}
	return m
}

// promQL is a matcher that fetches what it judges.
type promQL struct {
	says   *matcher
	server promql.Server
	query  string
	check  func() error
}

// Fetch asks the server. An error names the query and the server.
func (m *promQL) Fetch(ctx context.Context) (any, error) {
	if err := m.misuse(); err != nil {
		return nil, err
	}
	return promql.Ask(ctx, m.server, m.query)
}

// Match reports whether an element of what Fetch gave is within the bound.
func (m *promQL) Match(fetched any) (bool, error) { return m.says.Match(fetched) }

// FailureMessage says why none is.
func (m *promQL) FailureMessage(fetched any) string { return m.says.FailureMessage(fetched) }

// NegatedFailureMessage says which one is.
func (m *promQL) NegatedFailureMessage(fetched any) string {
	return m.says.NegatedFailureMessage(fetched)
}

// Measured returns the element that is within the bound, or the one that is
// nearest to it.
func (m *promQL) Measured(fetched any) string { return m.says.Measured(fetched) }

// String returns the query and the bound.
func (m *promQL) String() string { return m.says.String() }

// Validate reports everything that is wrong with how the matcher was made, or nil;
// each of the joined errors begins with a field's name in YAML. It asks nobody.
func (m *promQL) Validate() error {
	errs := m.server.Problems()
	if strings.TrimSpace(m.query) == "" {
		errs = append(errs, errors.New("query: is missing, want one that gives a number, such as sum(rate(istio_requests_total[30s]))"))
	}
	if err := m.check(); err != nil {
		errs = append(errs, fmt.Errorf("bound: %w", err))
	}
	return errors.Join(errs...)
}

func (m *promQL) misuse() error {
	if err := m.Validate(); err != nil {
		return fmt.Errorf("HavePromQL: %w", err)
	}
	return nil
}

// judgeAnswer looks for an element within the bound, the most extreme one first.
func judgeAnswer(c comparison, answer promql.Answer) (finding, error) {
	if len(answer.Samples) == 0 {
		return finding{}, noSamples(c.matcher, "%s gives %s", c.subject, answer)
	}
	samples := slices.Clone(answer.Samples)
	if ours, ok := c.bound.(bound); ok {
		slices.SortStableFunc(samples, func(a, b promql.Sample) int {
			if ours.atLeast {
				return cmp.Compare(b.Value, a.Value)
			}
			return cmp.Compare(a.Value, b.Value)
		})
	}
	var errs []error
	for i, s := range samples {
		found, err := c.of(s.Value, answer.String())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if found.holds || i == len(samples)-1 {
			return of(found, c, samples, i), errors.Join(errs...)
		}
	}
	return finding{}, errors.Join(errs...)
}

// of adds to a finding which element it is about: the one that holds or, where
// none does, the first.
func of(found finding, c comparison, samples []promql.Sample, i int) finding {
	if !found.holds && i > 0 {
		if first, err := c.of(samples[0].Value, found.evidence); err == nil {
			found, i = first, 0
		}
	}
	if labels := samples[i].Labels; labels != "{}" && labels != "" {
		found.measured += " " + labels
	}
	return found
}
