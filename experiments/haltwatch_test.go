package experiments

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fetcher is a condition whose answer a test sets: a number that must not be above
// 5, or an error. Below 0 it has no data.
type fetcher struct {
	number atomic.Int64
	err    atomic.Pointer[error]
	asked  atomic.Int64
}

func (f *fetcher) Fetch(context.Context) (any, error) {
	f.asked.Add(1)
	if err := f.err.Load(); err != nil {
		return nil, *err
	}
	return f.number.Load(), nil
}

func (f *fetcher) fails(err error) { f.err.Store(&err) }

func (f *fetcher) Match(fetched any) (bool, error) {
	if fetched.(int64) < 0 {
		return false, noSamples(true)
	}
	return fetched.(int64) > 5, nil
}
func (*fetcher) FailureMessage(any) string        { return "Expected it to match" }
func (*fetcher) NegatedFailureMessage(any) string { return "Expected it not to match" }
func (*fetcher) String() string                   { return "depth above 5" }
func (*fetcher) Measured(fetched any) string      { return fmt.Sprint(fetched) }

// duringOnly is a matcher that matches the fault phase and no other.
type duringOnly struct{ Matcher }

func (d duringOnly) Match(actual any) (bool, error) {
	if actual.(Phase).Name != DuringPhase {
		return false, nil
	}
	return d.Matcher.Match(actual)
}
func (duringOnly) String() string { return "success rate at most 100%" }

// A halt condition ends the fault phase when it is asked, long before its end,
// and there is no recovery to judge.
func TestRunHalts(t *testing.T) {
	e := newTarget(t).experiment()
	e.Duration = time.Hour
	e.HaltWhen = []Matcher{says{}, duringOnly{says{ok: true}}}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	report, err := newFakeAPI(t).runner(t).Run(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Error("the fault phase went on")
	}
	if report.Verdict != Halted || !strings.HasPrefix(report.Reason, "halted: success rate at most 100%; ") || len(report.Phases()) != 2 {
		t.Errorf("got:\n%s", report)
	}
	if h := report.Halt; h == nil || h.Condition != "success rate at most 100%" || !h.From.Equal(report.During.From) || h.To.Before(h.From) || h.At.Before(h.To) {
		t.Errorf("got %+v", h)
	}
}

// While one phase goes on a condition is fetched again and again; what it says
// ends it.
func TestRunHaltsByWhatIsFetched(t *testing.T) {
	gone := errors.New("connection refused")
	for want, test := range map[string]struct {
		worse    func(*fetcher)
		measured string
	}{
		"halted: depth above 5: 6": {func(f *fetcher) { f.number.Store(6) }, "6"},
		"halted: haltWhen[0] could not be asked 3 times in a row; who cannot see must stop: connection refused": {func(f *fetcher) { f.fails(gone) }, ""},
	} {
		f := &fetcher{}
		e := newTarget(t).experiment()
		e.Duration, e.HaltWhen = time.Hour, []Matcher{f}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		report, err := newFakeAPI(t).runner(t, onStep(DuringPhase, func() { test.worse(f) })).Run(ctx, e)
		if err != nil || report.Verdict != Halted || report.Reason != want || ctx.Err() != nil {
			t.Errorf("want %q, got %v:\n%s", want, err, report)
		}
		if h := report.Halt; h == nil || h.Measured != test.measured || !h.From.IsZero() {
			t.Errorf("got %+v", h)
		}
		cancel()
	}
}

// A condition that panics while it is fetched is one that cannot see.
func TestRunHaltsWhenAConditionPanics(t *testing.T) {
	e := newTarget(t).experiment()
	e.Duration, e.HaltWhen = time.Hour, []Matcher{&panicsLater{}}
	report, err := newFakeAPI(t).runner(t).Run(t.Context(), e)
	if err != nil || report.Verdict != Halted || report.Reason != "halted: haltWhen[0] panicked: out of order" {
		t.Errorf("got %v:\n%s", err, report)
	}
}

// panicsLater can be asked twice, which is before the fault.
type panicsLater struct{ fetcher }

func (p *panicsLater) Fetch(ctx context.Context) (any, error) {
	if p.asked.Load() >= 2 {
		panic("out of order")
	}
	return p.fetcher.Fetch(ctx)
}

// Without data a condition does not match, and that is told, once.
func TestAConditionWithoutDataDoesNotHalt(t *testing.T) {
	f := &fetcher{}
	f.number.Store(-1)
	e := newTarget(t).experiment()
	e.HaltWhen = []Matcher{f, says{err: noSamples(true)}}
	told := map[string]int{}
	report, err := newFakeAPI(t).runner(t, WithProgress(func(e Event) {
		if e.Step == "halt" {
			told[e.Text]++
		}
	})).Run(t.Context(), e)
	if err != nil || report.Verdict != Held || report.Halt != nil {
		t.Errorf("got %v:\n%s", err, report)
	}
	// Before the run, after the baseline, and in the fault phase.
	want := map[string]int{
		"haltWhen[0] cannot match as long as this is so: HaveX has no samples: none were sent": 3,
		"haltWhen[1] cannot match as long as this is so: HaveX has no samples: none were sent": 1,
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// What cannot be asked refuses the run, and what matches already halts it, before
// anything is written.
func TestConditionsBeforeTheFault(t *testing.T) {
	high, gone := &fetcher{}, &fetcher{}
	high.number.Store(7)
	gone.fails(errors.New("connection refused"))
	misused := errors.New("HaveX takes a bound")
	for name, test := range map[string]struct {
		when   []Matcher
		input  string // the error, or none
		reason string
	}{
		"gone":            {[]Matcher{gone}, "haltWhen[0]: connection refused", ""},
		"gone and high":   {[]Matcher{high, gone}, "haltWhen[1]: connection refused", ""},
		"high":            {[]Matcher{high}, "", "halted: depth above 5: 7; before anything was injected"},
		"misused":         {[]Matcher{says{}, says{err: misused}}, "haltWhen[1]: HaveX takes a bound", ""},
		"matches already": {[]Matcher{named(says{ok: true}, "success rate at most 50%")}, "", "halted: success rate at most 50%; before anything was injected"},
	} {
		t.Run(name, func(t *testing.T) {
			api := newFakeAPI(t, inventoryService, inventoryRoutes)
			e := newTarget(t).faulted()
			e.HaltWhen = test.when
			report, err := api.runner(t).Run(t.Context(), e)
			_, isInput := errors.AsType[*InputError](err)
			switch {
			case test.input != "" && (!isInput || report != nil || !strings.HasSuffix(err.Error(), test.input)):
				t.Errorf("want %q, got %v:\n%s", test.input, err, report)
			case test.input == "" && (err != nil || report.Verdict != Halted || report.Reason != test.reason || !report.Clean || report.Halt.After != 0):
				t.Errorf("want %q, got %v:\n%s", test.reason, err, report)
			}
			if api.written() != "" {
				t.Errorf("written: %s", api.written())
			}
		})
	}
}

// Held faults are watched, too.
func TestHoldIsRefusedByACondition(t *testing.T) {
	gone := &fetcher{}
	gone.fails(errors.New("connection refused"))
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	e := newTarget(t).faulted()
	e.HaltWhen = []Matcher{gone}
	if report, err := api.runner(t).Hold(t.Context(), e, time.Minute); err == nil || report != nil || api.written() != "" {
		t.Errorf("got %v, wrote %s:\n%s", err, api.written(), report)
	}
}

func TestEyesight(t *testing.T) {
	const high, low, none = 6, 0, -1
	gone := errors.New("gone")
	for name, test := range map[string]struct {
		seen []any // a number or an error, in turn
		halt string
		told []string
	}{
		"low":            {seen: []any{low, low, low, low}},
		"high":           {seen: []any{low, high}, halt: "depth above 5: 6"},
		"no data":        {seen: []any{none, none, none, none}, told: []string{"haltWhen[1] cannot match as long as this is so: HaveX has no samples: none were sent"}},
		"data come":      {seen: []any{none, low, high}, halt: "depth above 5: 6", told: []string{"haltWhen[1] cannot match as long as this is so: HaveX has no samples: none were sent", "haltWhen[1] has data again"}},
		"gone for two":   {seen: []any{gone, gone, low, gone, gone, low}, told: []string{"haltWhen[1] could not be asked, 1 of 3 times in a row that halt the run: gone", "haltWhen[1] could not be asked, 2 of 3 times in a row that halt the run: gone", "haltWhen[1] could not be asked, 1 of 3 times in a row that halt the run: gone", "haltWhen[1] could not be asked, 2 of 3 times in a row that halt the run: gone"}},
		"gone for good":  {seen: []any{low, gone, gone, gone}, halt: "haltWhen[1] could not be asked 3 times in a row; who cannot see must stop: gone", told: []string{"haltWhen[1] could not be asked, 1 of 3 times in a row that halt the run: gone", "haltWhen[1] could not be asked, 2 of 3 times in a row that halt the run: gone"}},
		"without a word": {seen: []any{gone, none, gone, none, gone}, told: []string{"haltWhen[1] could not be asked, 1 of 3 times in a row that halt the run: gone", "haltWhen[1] cannot match as long as this is so: HaveX has no samples: none were sent", "haltWhen[1] could not be asked, 1 of 3 times in a row that halt the run: gone", "haltWhen[1] cannot match as long as this is so: HaveX has no samples: none were sent", "haltWhen[1] could not be asked, 1 of 3 times in a row that halt the run: gone"}},
	} {
		t.Run(name, func(t *testing.T) {
			eyes := eyesight{condition: 1}
			halted, told := "", []string(nil)
			for _, seen := range test.seen {
				var err error
				if e, ok := seen.(error); ok {
					err = e
				} else {
					seen = int64(seen.(int))
				}
				halt, text := eyes.look(&fetcher{}, seen, err, began)
				if text != "" {
					told = append(told, text)
				}
				if halt != nil {
					halted = halt.Error()
					break
				}
			}
			if halted != test.halt {
				t.Errorf("halted by %q, want %q", halted, test.halt)
			}
			if diff := cmp.Diff(test.told, told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// A server that is slow to answer, or never does, must not keep a phase from
// ending, nor the run.
func TestASlowConditionKeepsNothing(t *testing.T) {
	e := newTarget(t).experiment()
	e.HaltWhen = []Matcher{&slow{}}
	began := time.Now()
	report, err := newFakeAPI(t).runner(t).Run(t.Context(), e)
	if err != nil || report.Verdict != Held || time.Since(began) > 20*time.Second {
		t.Errorf("got %v after %s:\n%s", err, time.Since(began), report)
	}
}

// slow answers twice, which is before the fault, and then not at all.
type slow struct{ fetcher }

func (s *slow) Fetch(ctx context.Context) (any, error) {
	if s.asked.Load() >= 2 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.fetcher.Fetch(ctx)
}
