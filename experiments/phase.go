package experiments

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

// observe sends load for a phase and judges what came of it. The phase ends when
// every request of it has its answer, so that what proxies counted and what the
// load saw are of the same requests, and none of them lived in two phases. A
// phase that a halt condition ends is over at once; ask is told how it goes, or nil.
func (t *trial) observe(ctx context.Context, length time.Duration, p *Phase, ask func(Phase)) error {
	defer func(began time.Time) { t.watch.phase(length, time.Since(began)) }(time.Now())
	p.Name, p.alpha = t.phaseName(p), t.experiment.Alpha
	p.From = time.Now() // the recorder's phase began at the last cut; nothing was sent since
	load := t.load
	load.Duration = length
	running, err := load.Start(ctx)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _, _ = running.Wait(); close(ended) }() // asked again below
	t.follow(p, length, running, ended, func(so Phase) {
		if ask != nil {
			ask(so)
		}
		if ctx.Err() == nil && (t.enough(p, so) || t.inVain(p, so)) {
			running.End()
		}
	})
	p.Load, err = running.Wait()
	p.To = time.Now()
	if err = t.counted(ctx, p, err); err != nil {
		return err
	}
	p.Mesh.Ejections = mergeEjections(t.between, p.Mesh.Ejections)
	t.between = nil
	p.Placement = placements(t.hops(), *p)
	p.Checks = checks(t.matchers(p), *p)
	return nil
}

// counted reads what the proxies counted in a phase, whose load ended with err.
// After a halt nothing may keep the revert waiting, so that what cannot be read at
// once is as it was read last.
func (t *trial) counted(ctx context.Context, p *Phase, err error) error {
	if halt := haltOf(ctx); halt != nil {
		t.noted(halt)
		last, stop := context.WithTimeout(context.WithoutCancel(ctx), haltCut)
		defer stop()
		if p.Mesh, _ = t.recorder.Cut(last); last.Err() != nil {
			p.Mesh, _ = t.recorder.Window()
		}
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	var counting sync.WaitGroup
	counting.Go(func() { t.count(ctx, p.Name) })
	p.Mesh, err = t.recorder.Cut(ctx)
	counting.Wait()
	if err = t.excused(err); err != nil {
		return fmt.Errorf("observe proxies: %w", err)
	}
	return nil
}

// mergeEjections joins what was noticed before a phase with what was noticed in
// it; of the same ejection the later word counts.
func mergeEjections(before, within []observe.Ejection) []observe.Ejection {
	for _, e := range before {
		known := slices.ContainsFunc(within, func(w observe.Ejection) bool { return sameEjection(e, w) })
		if !known {
			within = append(within, e)
		}
	}
	return within
}

func sameEjection(a, b observe.Ejection) bool {
	return a.At.Equal(b.At) && a.Address == b.Address && a.Cluster == b.Cluster && a.Proxy.String() == b.Proxy.String()
}

// follow tells how a phase goes, and asks about it, until it has ended.
func (t *trial) follow(p *Phase, length time.Duration, running *loadgen.Running, ended <-chan struct{}, ask func(Phase)) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	t.progress(Event{Run: t.report.Run, Step: p.Name, Left: length, Text: "sending load"})
	for {
		select {
		case <-ended:
			return
		case now := <-tick.C:
			so := *p
			so.To, so.Load = now, running.Result()
			t.progress(Event{
				Run: t.report.Run, Step: p.Name, Again: true, Text: so.Load.String(),
				Left: max(0, time.Until(p.From.Add(length))),
			})
			ask(so)
		}
	}
}

func (t *trial) phaseName(p *Phase) string {
	switch p {
	case &t.report.Baseline:
		return BaselinePhase
	case &t.report.During:
		return DuringPhase
	default:
		return RecoveryPhase
	}
}

// matchers are those that must hold in a phase, the more particular ones first:
// the first that does not hold becomes the reason of the verdict.
func (t *trial) matchers(p *Phase) [][]Matcher {
	e := t.experiment
	switch p {
	case &t.report.Baseline:
		return [][]Matcher{e.Healthy, e.SteadyState}
	case &t.report.During:
		return [][]Matcher{e.During, e.SteadyState}
	default:
		return [][]Matcher{e.Recovered, e.Healthy, e.SteadyState}
	}
}
