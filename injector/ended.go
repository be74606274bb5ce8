package injector

import (
	"fmt"
	"time"
)

// EvictedError says that somebody took out, or changed, what a run put into the
// mesh while the run lived. Nothing of ours puts it back: whoever did it owns
// the object.
type EvictedError struct {
	Ref   Ref
	Run   string
	Found string // what was seen, in words
	By    string // field manager of the last change that is not ours; "" when nothing tells
}

// Error says what was found and what to do.
func (e *EvictedError) Error() string {
	by := ""
	if e.By != "" {
		by = fmt.Sprintf(" (last changed by %q)", e.By)
	}
	return fmt.Sprintf("evicted: on %s %s%s, while run %s lived; faultline does not put it back: "+
		"let who owns the object pause, or ignore fields of the field manager %q, and run again", e.Ref, e.Found, by, e.Run, fieldManager)
}

// LeaseLostError says that a run can no longer show that it is alive, so that
// others may take its faults out at any time.
type LeaseLostError struct {
	Lease Ref
	Run   string
	Found string // what was seen, in words
}

// Error says what was found and what to do.
func (e *LeaseLostError) Error() string {
	return fmt.Sprintf("lease lost: %s of run %s: %s; others may revert the run now, so it proves nothing any more: "+
		"revert it and run again", e.Lease, e.Run, e.Found)
}

// HaltedError says that a namespace has the halt flag. Nothing is planned or
// injected there; reverts go on.
type HaltedError struct {
	Namespace string
	By        string    // who set it; "" when the flag does not tell
	Since     time.Time // when
}

// Error says who halted the namespace, when, and how it ends.
func (e *HaltedError) Error() string {
	return fmt.Sprintf("halted: namespace %s has the halt flag since %s, set by %q; nothing is injected there until "+
		"faultline halt --release", e.Namespace, e.Since.Format(time.RFC3339), e.By)
}
