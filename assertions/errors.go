package assertions

import "fmt"

// NoSamples is implemented by the error of a matcher that has too little to
// judge by: no requests or too few, no proxies, no answer of the kind it asks about. The
// question is open then, neither held nor broken. Find it with errors.As.
type NoSamples interface {
	// NoSamples reports true.
	NoSamples() bool
}

// noSamplesError is the one NoSamples there is.
type noSamplesError struct{ matcher, have, missing string }

var (
	_ error     = noSamplesError{}
	_ NoSamples = noSamplesError{}
)

// Error names the matcher and what is missing.
func (e noSamplesError) Error() string {
	return e.matcher + " has " + e.have + " samples: " + e.missing
}

// NoSamples reports true.
func (noSamplesError) NoSamples() bool { return true }

func noSamples(matcher, format string, args ...any) error {
	return noSamplesError{matcher: matcher, have: "no", missing: fmt.Sprintf(format, args...)}
}

// tooFew is noSamples where there are some.
func tooFew(matcher, format string, args ...any) error {
	return noSamplesError{matcher: matcher, have: "too few", missing: fmt.Sprintf(format, args...)}
}
