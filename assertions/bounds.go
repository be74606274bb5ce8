package assertions

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/onsi/gomega/types"
)

// Limit is what a measured value can be held against: a count, a share or
// ratio, a time.
type Limit interface {
	int | float64 | time.Duration
}

// AtLeast succeeds if a value is limit or more. It is meant as the bound of the
// other matchers, which print it with their units, and works on its own on
// numbers and durations. A duration is compared with durations only.
func AtLeast[L Limit](limit L) types.GomegaMatcher { return bound{atLeast: true, limit: limit} }

// AtMost succeeds if a value is limit or less. It is meant as the bound of the
// other matchers, which print it with their units, and works on its own on
// numbers and durations. A duration is compared with durations only.
func AtMost[L Limit](limit L) types.GomegaMatcher { return bound{limit: limit} }

// bound is an AtLeast or AtMost.
type bound struct {
	atLeast bool
	limit   any // of one of the types of Limit
}

// Match compares actual with the limit. The error says why it cannot.
func (b bound) Match(actual any) (bool, error) {
	order, err := b.compare(actual)
	if b.atLeast {
		return err == nil && order >= 0, err
	}
	return err == nil && order <= 0, err
}

// compare returns -1, 0 or 1 as actual is less than, equal to or more than the
// limit.
func (b bound) compare(actual any) (int, error) {
	limit, isDuration := b.limit.(time.Duration)
	if isDuration {
		d, ok := actual.(time.Duration)
		if !ok {
			return 0, fmt.Errorf("%s needs a time.Duration to compare with, not %s", b, described(actual))
		}
		return cmp.Compare(d, limit), nil
	}
	number, ok := numberOf(actual)
	if !ok {
		return 0, fmt.Errorf("%s needs a number to compare with, not %s", b, described(actual))
	}
	wanted, _ := numberOf(b.limit)
	if math.IsNaN(number) || math.IsNaN(wanted) {
		return 0, fmt.Errorf("%s cannot be compared with %v: NaN is not a number", b, number)
	}
	return cmp.Compare(number, wanted), nil
}

// FailureMessage says what actual should have been.
func (b bound) FailureMessage(actual any) string {
	return fmt.Sprintf("Expected %v to be %s", actual, b.phrase(plain))
}

// NegatedFailureMessage says what actual should not have been.
func (b bound) NegatedFailureMessage(actual any) string {
	return fmt.Sprintf("Expected %v not to be %s", actual, b.phrase(plain))
}

// String returns the bound as it is written: AtMost(800ms).
func (b bound) String() string {
	if b.atLeast {
		return fmt.Sprintf("AtLeast(%v)", b.limit)
	}
	return fmt.Sprintf("AtMost(%v)", b.limit)
}

// phrase returns "at least 99%", with the limit in the given unit.
func (b bound) phrase(in unit) string {
	if b.atLeast {
		return "at least " + in.exact(b.limit)
	}
	return "at most " + in.exact(b.limit)
}

// numberOf returns the value of a number of any type, but not of a duration.
func numberOf(v any) (float64, bool) {
	value := reflect.ValueOf(v)
	switch {
	case !value.IsValid() || value.Type() == reflect.TypeFor[time.Duration]():
		return 0, false
	case value.CanInt():
		return float64(value.Int()), true
	case value.CanUint():
		return float64(value.Uint()), true
	case value.CanFloat():
		return value.Float(), true
	}
	return 0, false
}

// described returns what v is, as "the int 5", for texts about misuse.
func described(v any) string {
	_, isNumber := numberOf(v)
	_, isDuration := v.(time.Duration)
	if isNumber || isDuration {
		return fmt.Sprintf("the %T %v", v, v)
	}
	return typeOf(v)
}
