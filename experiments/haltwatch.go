// How halt conditions are asked while a fault may be in force.

package experiments

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Bounds of halting.
const (
	haltEvery  = time.Second            // how often a Fetcher is asked; the others are with each followEvery
	haltBlind  = 3                      // errors in a row of a Fetcher that halt the run
	haltCut    = 300 * time.Millisecond // for a last look at the proxies before the revert begins
	haltBefore = "before anything was injected"
)

// haltError says that a halt condition matched. It is what ends the context of a
// fault phase.
type haltError struct {
	Halt
	evidence string // what it was judged by; may be empty
}

// Error says what matched, and by what.
func (e *haltError) Error() string {
	text := e.String()
	if e.evidence != "" {
		text += "; " + e.evidence
	}
	return text
}

// haltOf returns the halt condition that ended ctx, or nil.
func haltOf(ctx context.Context) *haltError {
	halt, _ := errors.AsType[*haltError](context.Cause(ctx))
	return halt
}

// noted keeps a halt for the report: the first one.
func (t *trial) noted(halt *haltError) {
	if t.halted == "" {
		t.halted, t.report.Halt = halt.Error(), &halt.Halt
	}
}

// watched runs body, whose context ends as soon as a halt condition matches; that
// is no error. The conditions that are fetched are asked from now on, those that
// judge the fault phase as it goes.
func (t *trial) watched(ctx context.Context, body func(context.Context) error) error {
	ctx, t.fire = context.WithCancelCause(ctx)
	defer t.fire(nil) // a matcher may panic
	for i, m := range t.experiment.HaltWhen {
		if f, ok := m.(Fetcher); ok {
			t.fetching.Go(func() { t.fetch(ctx, i, f) }) // awaited by close: the revert must not be late
		}
	}
	err := body(ctx)
	if halt := haltOf(ctx); halt != nil {
		t.noted(halt)
		return nil
	}
	return err
}

// fetch asks one condition again and again until ctx ends, or it halts the run.
func (t *trial) fetch(ctx context.Context, i int, f Fetcher) {
	defer func() {
		if p := recover(); p != nil { // of this goroutine, or the faults would stay in
			t.fire(&haltError{Halt: Halt{Condition: fmt.Sprintf("haltWhen[%d] panicked: %v", i, p), At: time.Now()}})
		}
	}()
	tick := time.NewTicker(haltEvery)
	defer tick.Stop()
	eyes := eyesight{condition: i}
	for {
		seen, err := f.Fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		halt, told := eyes.look(f, seen, err, time.Now())
		if told != "" {
			t.tell("halt", told)
		}
		if halt != nil {
			t.fire(halt)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// eyesight is what is known of one Fetcher from its answers so far.
type eyesight struct {
	condition int // its index
	failed    int // errors in a row
	noData    bool
}

// look takes the next answer. It returns the halt that follows, and what is to be
// told, which is each change once.
func (s *eyesight) look(f Fetcher, seen any, err error, now time.Time) (halt *haltError, told string) {
	matched := false
	if err == nil {
		matched, err = f.Match(seen)
	}
	blind := err != nil && isOpen(err)
	told = s.change(blind, err)
	s.noData = blind
	switch {
	case matched && err == nil:
		return &haltError{Halt: Halt{Condition: wanted(f, seen), Measured: found(f, seen), At: now}}, told
	case err == nil || blind:
		s.failed = 0
		return nil, told
	}
	if s.failed++; s.failed < haltBlind {
		return nil, fmt.Sprintf("haltWhen[%d] could not be asked, %d of %d times in a row that halt the run: %v", s.condition, s.failed, haltBlind, err)
	}
	return &haltError{
		Halt:     Halt{Condition: fmt.Sprintf("haltWhen[%d] could not be asked %d times in a row", s.condition, s.failed), At: now},
		evidence: fmt.Sprintf("who cannot see must stop: %v", err),
	}, ""
}

// change tells that the data are gone, or there again.
func (s *eyesight) change(blind bool, err error) string {
	switch {
	case blind && !s.noData:
		return fmt.Sprintf("haltWhen[%d] cannot match as long as this is so: %v", s.condition, err)
	case err == nil && s.noData:
		return fmt.Sprintf("haltWhen[%d] has data again", s.condition)
	}
	return ""
}

// mayHalt asks every condition that is fetched, before anything is written. One
// that cannot be asked refuses the run; one that matches already halts it.
func (t *trial) mayHalt(ctx context.Context) error {
	var errs []error
	for i, m := range t.experiment.HaltWhen {
		f, ok := m.(Fetcher)
		if !ok {
			continue
		}
		seen, err := f.Fetch(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("experiment %q: haltWhen[%d]: %w", t.experiment.Title, i, err))
			continue
		}
		errs = append(errs, t.already(i, f, seen, Phase{}))
	}
	return worstOf(errs)
}

// worstOf returns what is wrong with the conditions or, if nothing is, which of
// them matches already.
func worstOf(errs []error) error {
	var matched error
	var wrong []error
	for _, err := range errs {
		if _, ok := err.(*haltError); ok { //nolint:errorlint // as already made it
			matched = err
		} else if err != nil {
			wrong = append(wrong, err)
		}
	}
	if len(wrong) > 0 {
		return &InputError{errors.Join(wrong...)}
	}
	return matched
}

// haltedAlready asks every condition about the baseline. The error is one of
// input, or says which matches already: then a halt would say nothing of the
// fault.
func (t *trial) haltedAlready(ctx context.Context) error {
	errs := []error{t.mayHalt(ctx)}
	for i, m := range t.experiment.HaltWhen {
		if _, ok := m.(Fetcher); !ok {
			p := t.part(t.report.Baseline, m)
			errs = append(errs, t.already(i, m, p, p))
		}
	}
	return worstOf(errs)
}

// already asks one condition about what there is before the fault, which is of
// the time of p. That it has no data is told.
func (t *trial) already(i int, m Matcher, seen any, p Phase) error {
	matched, err := m.Match(seen)
	switch {
	case err != nil && isOpen(err):
		t.tell("halt", fmt.Sprintf("haltWhen[%d] cannot match as long as this is so: %v", i, err))
		return nil
	case err != nil:
		return fmt.Errorf("experiment %q: haltWhen[%d]: %w", t.experiment.Title, i, err)
	case matched:
		return &haltError{
			Halt:     Halt{Condition: wanted(m, seen), Measured: found(m, seen), At: time.Now(), From: p.From, To: p.To},
			evidence: haltBefore,
		}
	}
	return nil
}
