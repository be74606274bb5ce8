package injector

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Effect is what a faulted request meets: [Delay], [Delays], [Abort],
// [Blackhole] or [Without]. An effect is plain data with pure renderings; where
// it is made is the [Site]'s business.
type Effect interface {
	// Validate reports every reason why the effect cannot be injected, each
	// with the name of its field, or nil.
	Validate() error

	// inRoute returns what the effect makes of a user's route at the Caller
	// site: one clone or several, tried in their order. route is a copy of which
	// it may set and delete fields, but not change what they hold. An idleError says that the effect would change nothing there.
	inRoute(route object, s spot) ([]object, error)

	// inPod returns the fields of the HTTPFault filters that make the effect at
	// the Upstream site. Of the conditions in their field headers all must hold;
	// no request may meet two of them.
	inPod(s spot) ([]object, error)

	// signs returns how the requests that were hit can be told in access logs.
	signs(s spot) []Sign
}

// An effect may do more than that.
type (
	// ramped is an effect with one share of requests, which a ramp can change.
	ramped interface {
		withPercent(percent float64) Effect
	}
	// equipped is an effect whose routes need an object of ours. It is written
	// before the routes and deleted after them. shown is the name by which
	// proxies show it among their clusters.
	equipped interface {
		equipment(namespace string, exportTo []string, s spot) (obj *unstructured.Unstructured, shown string)
	}
)

// spot says for which fault of which run an effect is rendered, and where.
type spot struct {
	run   string
	fault int   // index among the faults of the run
	port  int64 // a port of the service that the fault is on
	site  Site
}

// idleError says why an effect would change nothing on a route. It is a reason
// to refuse the fault only when there is no other route.
type idleError string

// Error returns the reason.
func (e idleError) Error() string { return string(e) }

// hasOwn reports why an effect cannot change what a route does with its
// requests: a delegated one has that from the child (see delegate.go).
func hasOwn(route object) error {
	if ref, delegated := childRef(route, ""); delegated {
		return fmt.Errorf("delegates to %s %s, which decides where its requests go, with which retries and timeout", ref.Kind, ref.Name)
	}
	return nil
}

// faulted returns route with a fault for Istio in it.
func faulted(route, fault object) ([]object, error) {
	if route["fault"] != nil {
		return nil, errors.New("has a fault of its own, which the run's requests would no longer meet")
	}
	route["fault"] = fault
	return []object{route}, nil
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
