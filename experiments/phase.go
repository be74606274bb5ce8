package experiments

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

// observe sends load for a phase and judges what came of it. The phase ends when
// every request of it has its answer, so that what proxies counted and what the
// load saw are of the same requests, and none of them lived in two phases. A
// phase that stop calls off ends at once.
func (t *trial) observe(ctx context.Context, length time.Duration, p *Phase, stop func(Phase) bool) error {
	p.Name, p.alpha = t.phaseName(p), t.experiment.Alpha
	p.From = time.Now() // the recorder's phase began at the last cut; nothing was sent since
	load := t.load
	load.Duration = length
	sending, calledOff := context.WithCancel(ctx)
	defer calledOff()
	running, err := load.Start(sending)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _, _ = running.Wait(); close(ended) }() // asked again below
	t.follow(p, length, running, ended, func(so Phase) {
		if stop != nil && stop(so) {
			calledOff()
		} else if t.enough(p, so) {
			running.End()
		}
	})
	p.Load, err = running.Wait()
	p.To = time.Now()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && sending.Err() == nil { // not called off
		return err
	}
	p.Mesh, err = t.recorder.Cut(ctx)
	t.count(ctx, p.Name)
	if err = t.excused(err); err != nil {
		return fmt.Errorf("observe proxies: %w", err)
	}
	p.Mesh.Ejections = mergeEjections(t.between, p.Mesh.Ejections)
	t.between = nil
	p.Checks = checks(t.matchers(p), *p)
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
