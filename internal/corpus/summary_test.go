package corpus

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What must at least come out, so that the test cannot become one of nothing:
// VirtualServices found, and those of them that carried a fault.
const (
	leastFound    = 60
	leastInjected = 40
)

// summary prints the counts, and fails the test when they are not right.
func summary(t *testing.T, files int, outcomes []outcome) {
	t.Helper()
	var injected, faults, beside, refused, broken int
	var why []string
	for _, o := range outcomes {
		switch {
		case len(o.broken) > 0:
			broken++
			t.Errorf("%s:\n%s", o.where, strings.Join(o.broken, "\n"))
		case o.injected > 0:
			injected++
		case o.beside > 0:
			beside++
		case len(o.refused) > 0:
			refused++
			slices.Sort(o.refused)
			why = append(why, fmt.Sprintf("  %s\n    %s", o.where, strings.Join(slices.Compact(o.refused), "\n    ")))
		default:
			broken++
			t.Errorf("%s: nothing was done with it", o.where)
		}
		faults += o.injected
	}
	t.Logf("%d VirtualServices in %d files: %d carried a fault and came back byte for byte (%d faults), beside %d one was created, "+
		"%d were refused, %d broke\nrefused:\n%s", len(outcomes), files, injected, faults, beside, refused, broken, strings.Join(why, "\n"))
	if len(outcomes) < leastFound || injected < leastInjected {
		t.Errorf("%d found, %d injected: want at least %d and %d", len(outcomes), injected, leastFound, leastInjected)
	}
}
