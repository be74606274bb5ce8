package experiments

import "fmt"

// checks asks every matcher about a phase.
func checks(matchers [][]Matcher, p Phase) []Check {
	var all []Check
	for _, list := range matchers {
		for _, m := range list {
			all = append(all, check(m, p))
		}
	}
	return all
}

// check asks one matcher. A matcher that cannot judge for want of samples, or
// that cannot judge at all, has not held.
func check(m Matcher, p Phase) Check {
	ok, err := m.Match(p)
	switch {
	case err != nil:
		open := isOpen(err)
		return Check{NoSamples: open, misused: !open, Text: err.Error()}
	case ok:
		return Check{Held: true, Text: wanted(m, p) + measured(m, p)}
	default:
		return Check{Text: m.FailureMessage(p)}
	}
}

// wanted says what a matcher asks for: its own String, or, for a matcher without
// one, what it would say if its opposite had been wanted.
func wanted(m Matcher, actual any) string {
	if s, ok := m.(fmt.Stringer); ok {
		return s.String()
	}
	return m.NegatedFailureMessage(actual)
}

// measured adds what was found, of matchers that say it.
func measured(m Matcher, actual any) string {
	if found := found(m, actual); found != "" {
		return ": " + found
	}
	return ""
}
