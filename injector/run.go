package injector

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
)

const (
	// HeaderRun is the request header that puts a request into a run, and the
	// response header that says which run's route answered it.
	HeaderRun = "x-faultline-run"

	// HeaderBaggage is the W3C header that carries BaggageKey=<run>. Apps that
	// use OpenTelemetry forward it on their own.
	HeaderBaggage = "baggage"

	// BaggageKey is the member of the baggage header that names the run.
	BaggageKey = "faultline-run"
)

// runIDBytes makes run names of eight hex digits: short enough to type, and
// two of ten thousand runs share one with a chance of about one in a hundred.
const runIDBytes = 4

// NewRunID returns a fresh name for a run: eight random lower-case hex digits.
func NewRunID() string {
	var id [runIDBytes]byte
	_, _ = rand.Read(id[:]) // documented never to return an error
	return hex.EncodeToString(id[:])
}

// Headers returns the request headers that put a request into run. Load sends
// both, because apps forward one, the other, or neither.
func Headers(run string) map[string]string {
	return map[string]string{
		HeaderRun:     run,
		HeaderBaggage: BaggageKey + "=" + run,
	}
}

var runPattern = regexp.MustCompile(`^[0-9a-f]{4,32}$`)

// validRun reports why run cannot name a run, or nil. Only hex digits are let
// through, so that a run needs no escaping in regular expressions and names.
func validRun(run string) error {
	if !runPattern.MatchString(run) {
		return fmt.Errorf("%q is not 4 to 32 lower-case hex digits", run)
	}
	return nil
}

// baggagePattern matches, as a whole, a baggage header that names run. Members
// are separated by commas and may have properties after a semicolon; white
// space around the separators means nothing.
func baggagePattern(run string) string {
	return `(.*,)?\s*` + BaggageKey + `\s*=\s*` + run + `\s*([,;].*)?`
}
