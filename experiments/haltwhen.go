// What HaltWhen can hold beside plain matchers.

package experiments

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faultline-mesh/faultline/internal/claim"
)

// Fetcher is a matcher for HaltWhen that judges what it fetches itself, such as
// the answer of a metrics server, in place of a [Phase].
//
// It is asked before anything is written, when an error refuses the run, and then
// every second from the first write on. Some errors in a row halt the run: who
// cannot see must stop.
type Fetcher interface {
	Matcher
	// Fetch gets what Match is asked about then. It ends when ctx does, and may be
	// called from several goroutines at once.
	Fetch(ctx context.Context) (any, error)
}

// Window returns m as a condition of HaltWhen on the last length of the fault
// phase, in place of all of it, so that what goes wrong late is not diluted by
// what went well before. A request counts when it has ended. Until the phase is
// as long as that, all of it counts.
func Window(length time.Duration, m Matcher) Matcher { return windowed{Matcher: m, length: length} }

// windowed is a matcher that asks for a part of the phase only.
type windowed struct {
	Matcher
	length time.Duration
}

// String returns what is wanted, and of which time.
func (w windowed) String() string {
	return fmt.Sprintf("%s, of the last %s", wanted(w.Matcher, Phase{}), w.length)
}

// Measured returns what was found, of matchers that say it.
func (w windowed) Measured(actual any) string { return found(w.Matcher, actual) }

// invalidHalts returns what is wrong with the halt conditions, as far as it shows
// before there is anything to judge, and with what is one elsewhere.
func (e Experiment) invalidHalts() []error {
	var errs []error
	for i, m := range e.HaltWhen {
		errs = append(errs, invalidHalt(fmt.Sprintf("haltWhen[%d]", i), m)...)
	}
	for _, list := range []struct {
		field    string
		matchers []Matcher
	}{{"steadyState", e.SteadyState}, {"healthy", e.Healthy}, {"during", e.During}, {"recovered", e.Recovered}} {
		for i, m := range list.matchers {
			switch m.(type) {
			case windowed:
				errs = append(errs, fmt.Errorf("%s[%d]: is a window, which is for haltWhen only; a phase is judged as a whole", list.field, i))
			case Fetcher:
				errs = append(errs, fmt.Errorf("%s[%d]: fetches what it judges, which is for haltWhen only; want a matcher for a phase", list.field, i))
			}
		}
	}
	return errs
}

func invalidHalt(path string, m Matcher) []error {
	w, ok := m.(windowed)
	if !ok {
		return misuse(path, m)
	}
	var errs []error
	if w.length <= 0 {
		errs = append(errs, fmt.Errorf("%s.window: %s is not a positive duration, want one such as 5s", path, w.length))
	}
	switch w.Matcher.(type) {
	case nil:
		return append(errs, fmt.Errorf("%s: is a window of nil, want a matcher", path))
	case windowed:
		return append(errs, fmt.Errorf("%s.window: is a window of a window, want one of them", path))
	case Fetcher:
		errs = append(errs, fmt.Errorf("%s.window: is for what the load saw and the proxies counted; leave it out, and let the query "+
			"say of which time it is, as rate(…[30s]) does", path))
	}
	return append(errs, misuse(path, w.Matcher)...)
}

// misuse returns how a matcher was made wrongly.
func misuse(path string, m Matcher) []error {
	if says, ok := m.(interface{ Validate() error }); ok {
		if err := says.Validate(); err != nil {
			return []error{prefixed(path+".", err)}
		}
		return nil
	}
	if _, ours := m.(interface{ Claim() claim.Claim }); !ours {
		return nil // of others it is not known what they make of a phase in which nothing happened
	}
	if _, err := m.Match(Phase{}); err != nil && !isOpen(err) {
		return []error{fmt.Errorf("%s: %w", path, err)}
	}
	return nil
}

// isOpen reports whether a matcher's error says that there is too little to judge
// by.
func isOpen(err error) bool {
	var few interface{ NoSamples() bool }
	return errors.As(err, &few) && few.NoSamples()
}
