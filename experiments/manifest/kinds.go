package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// effects are the kinds of failure, one of which a fault names.
type effects struct {
	Delay *struct {
		Fixed   duration `json:"fixed"`
		Percent *float64 `json:"percent"`
	} `json:"delay"`
	Abort *struct {
		HTTPStatus int      `json:"httpStatus"`
		Percent    *float64 `json:"percent"`
	} `json:"abort"`
}

func (e effects) effect(path string) (injector.Effect, error) {
	switch {
	case e.Delay != nil && e.Abort != nil:
		return nil, fmt.Errorf("%s: found delay and abort, want one of them; write two faults for both", path)
	case e.Delay != nil:
		fixed, err := e.Delay.Fixed.parse(path + ".delay.fixed")
		percent, missing := required(path+".delay.percent", e.Delay.Percent)
		return injector.Delay{Fixed: fixed, Percent: percent}, errors.Join(err, missing)
	case e.Abort != nil:
		percent, missing := required(path+".abort.percent", e.Abort.Percent)
		return injector.Abort{HTTPStatus: e.Abort.HTTPStatus, Percent: percent}, missing
	default:
		return nil, fmt.Errorf("%s: names no effect, want delay or abort", path)
	}
}

// required keeps an omitted percent from being taken for 0: Istio would then
// inject nothing, and nobody would notice.
func required(path string, percent *float64) (float64, error) {
	if percent == nil {
		return 0, fmt.Errorf("%s: is missing; want the share of requests, above 0 and up to 100", path)
	}
	return *percent, nil
}

// matcherSpec names one matcher of package assertions.
type matcherSpec struct {
	SuccessRate *bound `json:"successRate"`
	Latency     *struct {
		Quantile float64 `json:"quantile"`
		bound
	} `json:"latency"`
	Status *struct {
		Code int `json:"code"`
		bound
	} `json:"status"`
	Tries *struct {
		Service string `json:"service"`
		bound
	} `json:"tries"`
	Ejected *struct {
		Service string `json:"service"`
		bound
	} `json:"ejected"`
	Readmitted *struct {
		Service string `json:"service"`
	} `json:"readmitted"`
	TimedOut *struct {
		Within duration `json:"within"`
	} `json:"timedOut"`
	Split *struct {
		Service string   `json:"service"`
		Subset  string   `json:"subset"`
		Share   *float64 `json:"share"`
	} `json:"split"`
}

// matcher builds the one matcher that the spec names.
func (m matcherSpec) matcher(path string) (experiments.Matcher, error) {
	var found []string
	var built experiments.Matcher
	var errs []error
	add := func(name string, matcher experiments.Matcher, problems ...error) {
		found, built, errs = append(found, name), matcher, append(errs, problems...)
	}
	if s := m.SuccessRate; s != nil {
		b, err := s.number(path + ".successRate")
		add("successRate", assertions.HaveSuccessRate(b), err)
	}
	if s := m.Latency; s != nil {
		b, err := s.time(path + ".latency")
		add("latency", assertions.HaveLatency(assertions.Quantile(s.Quantile), b), err, between01(path+".latency.quantile", s.Quantile))
	}
	if s := m.Status; s != nil {
		b, err := s.number(path + ".status")
		add("status", assertions.HaveStatus(s.Code, b), err)
	}
	if s := m.Tries; s != nil {
		b, err := s.number(path + ".tries")
		add("tries", assertions.HaveTries(s.Service, b), err, named(path+".tries.service", s.Service))
	}
	if s := m.Ejected; s != nil {
		b, err := s.count(path + ".ejected")
		add("ejected", assertions.HaveEjected(s.Service, b), err, named(path+".ejected.service", s.Service))
	}
	if s := m.Readmitted; s != nil {
		add("readmitted", assertions.HaveReadmitted(s.Service), named(path+".readmitted.service", s.Service))
	}
	if s := m.TimedOut; s != nil {
		within, err := s.Within.parse(path + ".timedOut.within")
		if err == nil && within <= 0 {
			err = fmt.Errorf("%s.timedOut.within: found %s, want a positive duration such as 2s", path, within)
		}
		add("timedOut", assertions.HaveTimedOut(within), err)
	}
	if s := m.Split; s != nil {
		share, err := required(path+".split.share", s.Share)
		add("split", assertions.HaveSplit(s.Service, s.Subset, share), err, between01(path+".split.share", share),
			named(path+".split.service", s.Service), named(path+".split.subset", s.Subset))
	}
	if len(found) != 1 {
		what := "nothing"
		if len(found) > 0 {
			what = strings.Join(found, " and ")
		}
		return nil, fmt.Errorf("%s: found %s, want one of successRate, latency, status, tries, ejected, readmitted, timedOut, split", path, what)
	}
	return built, errors.Join(errs...)
}

// bound is a limit on one side.
type bound struct {
	AtLeast scalar `json:"atLeast"`
	AtMost  scalar `json:"atMost"`
}

// scalar keeps what was written.
type scalar string

// UnmarshalJSON takes any scalar.
func (s *scalar) UnmarshalJSON(data []byte) error {
	*s = scalar(trimQuotes(string(data)))
	return nil
}

// one returns the side that is set and its field path.
func (b bound) one(path string) (text scalar, side string, atLeast bool, err error) {
	switch {
	case b.AtLeast != "" && b.AtMost != "":
		return "", path, false, fmt.Errorf("%s: found atLeast and atMost, want one of them", path)
	case b.AtLeast != "":
		return b.AtLeast, path + ".atLeast", true, nil
	case b.AtMost != "":
		return b.AtMost, path + ".atMost", false, nil
	default:
		return "", path, false, fmt.Errorf("%s: has no bound, want atLeast or atMost", path)
	}
}

// number is a bound on a share or a ratio.
func (b bound) number(path string) (any, error) {
	text, side, atLeast, err := b.one(path)
	if err != nil {
		return nil, err
	}
	var n float64
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		return nil, fmt.Errorf("%s: found %s, want a number", side, text)
	}
	return limit(n, atLeast), nil
}

// count is a bound on a number of things.
func (b bound) count(path string) (any, error) {
	text, side, atLeast, err := b.one(path)
	if err != nil {
		return nil, err
	}
	var n int
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		return nil, fmt.Errorf("%s: found %s, want a whole number", side, text)
	}
	return limit(n, atLeast), nil
}

// time is a bound on a duration.
func (b bound) time(path string) (any, error) {
	text, side, atLeast, err := b.one(path)
	if err != nil {
		return nil, err
	}
	d, err := duration(text).parse(side)
	if err != nil {
		return nil, err
	}
	return limit(d, atLeast), nil
}

func limit[T int | float64 | time.Duration](n T, atLeast bool) any {
	if atLeast {
		return assertions.AtLeast(n)
	}
	return assertions.AtMost(n)
}

func between01(path string, n float64) error {
	if n < 0 || n > 1 {
		return fmt.Errorf("%s: found %v, want between 0 and 1", path, n)
	}
	return nil
}

func named(path, name string) error {
	if name == "" {
		return fmt.Errorf("%s: is missing", path)
	}
	return nil
}

func trimQuotes(text string) string {
	var unquoted string
	if json.Unmarshal([]byte(text), &unquoted) == nil {
		return unquoted
	}
	return text
}
