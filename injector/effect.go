package injector

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Effect is what a faulted request meets: [Delay] or [Abort]. An effect is
// plain data with pure renderings; where it is made is the [Site]'s business.
type Effect interface {
	// Validate reports every reason why the effect cannot be injected, each
	// with the name of its field, or nil.
	Validate() error

	istioFault() object // as `fault` of a VirtualService HTTP route
	envoyFault() object // as fields of Envoy's HTTPFault
	percent() float64   // share of the requests in scope, 0-100
}

// minPercent is the smallest share that proxies can draw: they count in
// millionths, and less than one of them would be none.
const minPercent = 0.0001

// validPercent reports why p cannot be a share of requests, or nil. NaN is
// none either.
func validPercent(p float64) error {
	switch {
	case !(p > 0 && p <= 100):
		return fmt.Errorf("percent: %v is not above 0 and up to 100", p)
	case p < minPercent:
		return fmt.Errorf("percent: %v is below %v, the smallest share that proxies draw", p, minPercent)
	}
	return nil
}

// perPercent is how many millionths a percent is.
const perPercent = 10_000

// millionths renders p percent as an Envoy FractionalPercent.
func millionths(p float64) object {
	return object{"numerator": int64(math.Round(p * perPercent)), "denominator": "MILLION"}
}

// seconds renders d, which is not negative, as the JSON form of a protobuf
// Duration, which knows seconds only: "2s", "0.25s".
func seconds(d time.Duration) string {
	digits := fmt.Sprintf("%d.%09d", d/time.Second, d%time.Second)
	return strings.TrimSuffix(strings.TrimRight(digits, "0"), ".") + "s"
}

// problems returns what errors.Join put into err, or err alone.
func problems(err error) []error {
	var joined interface{ Unwrap() []error }
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &joined):
		return []error{err}
	}
	var all []error
	for _, problem := range joined.Unwrap() {
		all = append(all, problems(problem)...)
	}
	return all
}

// prefixed puts the words before each problem in err.
func prefixed(words string, err error) error {
	var errs []error
	for _, problem := range problems(err) {
		errs = append(errs, fmt.Errorf("%s%w", words, problem))
	}
	return errors.Join(errs...)
}
