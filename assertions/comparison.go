package assertions

import (
	"fmt"
	"math"
	"time"

	"github.com/onsi/gomega/format"
	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/internal/claim"
)

// comparison holds a measured value against the bound that a matcher was given.
type comparison struct {
	matcher string // "HaveLatency"
	subject string // "p99 latency"
	unit    unit
	bound   any
	// headlines words the first lines for AtLeast and AtMost. Nil: "Expected
	// subject to be at most 800ms, but it was 989ms".
	headlines func(phrase, measured string) (failure, negated string)
}

// text returns what is compared with what, for lists.
func (c comparison) text() string {
	switch b := c.bound.(type) {
	case bound:
		return c.subject + " " + b.phrase(c.unit)
	case fmt.Stringer:
		return c.subject + " " + b.String()
	}
	return fmt.Sprintf("%s %T", c.subject, c.bound)
}

// limits returns what the bound allows, durations in seconds: everything, where
// the bound is somebody else's matcher.
func (c comparison) limits() claim.Range {
	b, ok := c.bound.(bound)
	if !ok {
		return claim.Any()
	}
	limit, _ := numberOf(b.limit)
	if d, ok := b.limit.(time.Duration); ok {
		limit = d.Seconds()
	}
	if b.atLeast {
		return claim.AtLeast(limit)
	}
	return claim.AtMost(limit)
}

// check reports why the bound cannot be one, or nil.
func (c comparison) check() error {
	if ours, ok := c.bound.(bound); ok {
		return c.checkLimit(ours)
	}
	if theirs, ok := c.bound.(types.GomegaMatcher); ok && !isNil(theirs) {
		return nil
	}
	return fmt.Errorf("%s takes AtLeast(x), AtMost(x) or another gomega matcher as its bound, not %s", c.matcher, described(c.bound))
}

func (c comparison) checkLimit(b bound) error {
	number, isNumber := numberOf(b.limit)
	switch {
	case c.unit == share && !(isNumber && 0 <= number && number <= 1): // so written that NaN is out, too
		return fmt.Errorf("%s takes a bound from 0 to 1, as AtLeast(0.99) for 99%%, not %s", c.matcher, b)
	case c.unit == duration && isNumber:
		return fmt.Errorf("%s takes a time.Duration as its bound, as AtMost(800*time.Millisecond), not %s", c.matcher, b)
	case c.unit == plain && (!isNumber || math.IsNaN(number)):
		return fmt.Errorf("%s takes a number as its bound, as AtLeast(1), not %s", c.matcher, b)
	}
	return nil
}

// of judges the measured value by a bound that was checked.
func (c comparison) of(value any, evidence string) (finding, error) {
	b, _ := c.bound.(types.GomegaMatcher)
	holds, err := b.Match(value)
	if err != nil {
		return finding{}, fmt.Errorf("%s: %w", c.matcher, err)
	}
	found := finding{holds: holds, evidence: evidence}
	ours, ok := c.bound.(bound)
	if !ok {
		return c.foreign(found, b, value), nil
	}
	measured := c.unit.readable(value, func(rounded any) bool {
		same, err := ours.Match(rounded)
		return err == nil && same == holds
	})
	found.measured = measured
	phrase := ours.phrase(c.unit)
	if c.headlines != nil {
		found.failure, found.negated = c.headlines(phrase, measured)
		return found, nil
	}
	found.failure = fmt.Sprintf("Expected %s to be %s, but it was %s", c.subject, phrase, measured)
	found.negated = fmt.Sprintf("Expected %s not to be %s, but it was %s", c.subject, phrase, measured)
	return found, nil
}

// foreign words the finding of somebody else's matcher, which speaks for
// itself. Only the text of what happened is asked for: the other one need not
// be there.
func (c comparison) foreign(found finding, m types.GomegaMatcher, value any) finding {
	theirs := ""
	if found.holds {
		theirs = m.NegatedFailureMessage(value)
	} else {
		theirs = m.FailureMessage(value)
	}
	theirs = format.IndentString(theirs, 1)
	measured := c.unit.readable(value, func(any) bool { return true })
	found.measured = measured
	found.failure = fmt.Sprintf("Expected %s to satisfy its matcher, but it was %s\n%s", c.subject, measured, theirs)
	found.negated = fmt.Sprintf("Expected %s not to satisfy its matcher, but it was %s\n%s", c.subject, measured, theirs)
	return found
}
