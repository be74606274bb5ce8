package injector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// How often a silent Lease is looked at, and for how long all of them together
// when some cannot be read.
const (
	lookEvery   = 500 * time.Millisecond
	watchBudget = maxLeaseDuration + revertBudget
)

// RevertRun takes a run out of every object in the namespaces, or with none in
// the cluster, that has a mark of it, whichever process made it, and deletes its
// Lease when that is there too. It needs no [Injection], and it does not matter
// whether the run lives. A run without a mark is an *[UnknownRunError]; what
// cannot be proven clean, or looked at, is in the *[NotRevertedError]. It goes
// on through trouble as [Injection.Revert] does.
func (i *Injector) RevertRun(ctx context.Context, run string, namespaces ...string) error {
	if validRun(run) != nil {
		return &UnknownRunError{Run: run}
	}
	ctx, cancel := budget(ctx)
	defer cancel()
	found, err := i.search(ctx, namespaces)
	found = slices.DeleteFunc(found, func(l Leftover) bool { return l.Run != run })
	if len(found) == 0 && err == nil {
		return &UnknownRunError{Run: run}
	}
	if err != nil {
		err = &NotRevertedError{Run: run, Cause: err}
	}
	return errors.Join(i.RevertLeftovers(ctx, found), err)
}

// RevertStale takes out every fault in the namespaces, or with none in the
// cluster, whose run is dead: whose time is over, or whose Lease is gone or not
// renewed. A Lease that is overdue by the API server's clock is watched for its
// duration first, all of them at once, by this process' own monotonic clock: a
// run that renews it in that time lives. So it takes about 10 s when there is
// one, and no time at all otherwise. It returns what it took out. For each run of
// which something may be left there is a *[NotRevertedError] among the joined
// errors; another error says what could not be looked at, or watched to the end.
func (i *Injector) RevertStale(ctx context.Context, namespaces ...string) ([]Leftover, error) {
	found, err := i.Leftovers(ctx, namespaces...)
	errWatch := i.observe(ctx, found)
	stale := slices.DeleteFunc(found, func(l Leftover) bool { return l.State != Stale })
	done, errRevert := i.revertLeftovers(ctx, stale)
	return done, errors.Join(errRevert, err, errWatch)
}

// RevertLeftovers takes out what [Injector.Leftovers] found, or a choice of it,
// and the Leases of these runs. It tries all of them; for each run of which
// something may be left there is a *[NotRevertedError] among the joined errors.
// What is gone already is fine.
func (i *Injector) RevertLeftovers(ctx context.Context, leftovers []Leftover) error {
	_, err := i.revertLeftovers(ctx, leftovers)
	return err
}

// search is Leftovers, again and again while the API server is in trouble.
func (i *Injector) search(ctx context.Context, namespaces []string) ([]Leftover, error) {
	var last error
	for patience := time.Duration(0); ; patience = longer(patience, false) {
		if err := sleep(ctx, patience); err != nil {
			return nil, errors.Join(fmt.Errorf("gave up: %w", err), last)
		}
		try, cancel := context.WithTimeoutCause(ctx, tryBudget, fmt.Errorf("no answer in %s", tryBudget))
		found, err := i.Leftovers(try, namespaces...)
		cancel()
		if err == nil || allRefusals(err) {
			return found, err
		}
		last = err
	}
}

// allRefusals says whether the API server refused all that failed.
func allRefusals(err error) bool {
	return !slices.ContainsFunc(problems(err), func(err error) bool {
		return !(&undo{}).isHopeless(err)
	})
}

// revertLeftovers takes leftovers out, and then the Leases of the runs of which
// nothing failed.
func (i *Injector) revertLeftovers(ctx context.Context, leftovers []Leftover) (done []Leftover, err error) {
	ctx, cancel := budget(ctx)
	defer cancel()
	var undos []*undo
	var runs []string
	leaseOf := map[string]Ref{}
	for _, l := range leftovers {
		if !slices.Contains(runs, l.Run) {
			runs = append(runs, l.Run)
		}
		if l.Lease != (Ref{}) {
			leaseOf[l.Run] = l.Lease
		}
		if l.Ref.Kind != kindLease {
			undos = append(undos, &undo{ref: l.Ref, run: l.Run})
		}
	}
	failed := i.revertAll(ctx, routesFirst(undos))
	var held []*undo
	for _, run := range runs {
		lease, has := leaseOf[run]
		if has && !slices.ContainsFunc(failed, func(u *undo) bool { return u.run == run }) {
			held = append(held, &undo{ref: lease, run: run})
		}
	}
	failed = append(failed, i.revertAll(ctx, held)...)
	var errs []error
	for _, run := range runs {
		errs = append(errs, notReverted(run, leaseOf[run], slices.DeleteFunc(slices.Clone(failed), func(u *undo) bool { return u.run != run })))
	}
	done = slices.DeleteFunc(slices.Clone(leftovers), func(l Leftover) bool {
		return slices.ContainsFunc(failed, func(u *undo) bool { return u.ref == l.Ref && u.run == l.Run })
	})
	return done, errors.Join(errs...)
}

// observe watches the Leases of silent runs until each was renewed, or is gone,
// or has been silent for its duration, and judges the leftovers anew. The error
// names those of which nothing could be found out.
func (i *Injector) observe(ctx context.Context, found []Leftover) error {
	ctx, cancel := context.WithTimeoutCause(ctx, watchBudget, fmt.Errorf("%s have passed", watchBudget))
	defer cancel()
	first := map[string]time.Time{}    // by Lease: when it was first seen as it is
	seen := map[string]time.Duration{} // by Lease: for how long it has been seen so
	for {
		var silent []string
		for n := range found {
			l := &found[n]
			if l.State != Silent {
				continue
			}
			i.observeOne(ctx, l, first, seen)
			if l.State == Silent {
				silent = append(silent, l.String())
			}
		}
		if len(silent) == 0 {
			return nil
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return fmt.Errorf("whether these are stale was not found out, so they were left (%w):\n  %s", err, strings.Join(silent, "\n  "))
		}
	}
}

// observeOne looks at the Lease of a silent run once.
func (i *Injector) observeOne(ctx context.Context, l *Leftover, first map[string]time.Time, seen map[string]time.Duration) {
	name := l.pulse.ref.key()
	began := time.Now()
	pulse, err := i.pulseOf(ctx, name, l.Run)
	switch {
	case err != nil && isRefusal(err):
		l.named, l.err = name, err
	case err != nil: // not seen: neither a sign of life nor of death
	case pulse == nil:
		l.pulse, l.named = nil, name
	case pulse.renewed != l.pulse.renewed:
		l.State, l.Why = Live, fmt.Sprintf("its Lease %s was renewed while it was watched", name)
		return
	case first[name].IsZero():
		first[name] = time.Now()
	default:
		seen[name] = began.Sub(first[name])
	}
	l.judge(i.Now(), seen[name])
}
