// Ending the fault phase as soon as its claims are decided.

package experiments

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/internal/stats"
	"github.com/faultline-mesh/faultline/loadgen"
)

// enough reports whether the fault phase has seen enough, and notes in p why: each
// of its claims is a share, has its samples, and is decided by a sequential test,
// as the matcher itself has it by now. It keeps nothing from being judged: when the
// requests on their way have their answers, the matchers are asked as ever.
func (t *trial) enough(p *Phase, so Phase) bool {
	if !t.experiment.StopEarly || p != &t.report.During || p.Stopped != "" {
		return false
	}
	so.Load = unbroken(so.Load)
	so.Mesh, _ = t.recorder.Window() // what a proxy did not tell counts when the phase is over
	decided := decisions(t.matchers(p), so)
	if len(decided) == 0 {
		return false
	}
	rate := t.load.Rate
	if rate == 0 {
		rate = loadgen.DefaultRate
	}
	p.Stopped = fmt.Sprintf("stopped at request %d of %.0f, %s early, because each claim was decided: %s", so.Load.Requests(),
		math.Ceil(rate*t.experiment.Duration.Seconds()), (t.experiment.Duration - so.To.Sub(so.From)).Round(100*time.Millisecond),
		strings.Join(decided, ", "))
	t.tell(DuringPhase, p.Stopped)
	return true
}

// decisions says how each claim about a phase is decided, and nothing as long as
// one of them is not.
func decisions(matchers [][]Matcher, so Phase) []string {
	var all []string
	for _, list := range matchers {
		for _, m := range list {
			text := decision(m, so)
			if text == "" {
				return nil
			}
			all = append(all, text)
		}
	}
	return all
}

// decision says how a claim is decided, or nothing.
func decision(m Matcher, so Phase) string {
	about, ok := claimOf(m)
	if !ok || math.IsInf(about.Range.Low, 0) && math.IsInf(about.Range.High, 0) {
		return ""
	}
	n, k, ok := tally(about, so)
	if !ok || n < about.Needed(so.Alpha()) {
		return ""
	}
	test := stats.ShareTest{Low: about.Range.Low, High: about.Range.High, Alpha: so.Alpha()}
	decided := test.Decide(n, k)
	holds, err := m.Match(so)
	if err != nil || decided == stats.Undecided || holds != (decided == stats.Within) {
		return ""
	}
	return fmt.Sprintf("%s %s (%d of %d)", wanted(m, so), map[bool]string{true: "held", false: "did not"}[holds], k, n)
}

// tally counts what a claim about a share counts; ok is false of any other claim.
func tally(about claim.Claim, so Phase) (n, k int, ok bool) {
	var matches func(loadgen.Sample) bool
	switch about.Kind {
	case claim.SuccessRate:
		matches = func(s loadgen.Sample) bool { return 200 <= s.Code && s.Code < 400 }
	case claim.Status:
		matches = func(s loadgen.Sample) bool { return s.Code == about.Code }
	case claim.Delayed:
		matches = func(s loadgen.Sample) bool { return s.Latency-s.Lag >= about.Within }
	case claim.Split:
		for _, h := range so.Mesh.Hosts(about.Service) {
			n += int(h.Host.Requests)
			if h.Host.Cluster.Subset == about.Subset {
				k += int(h.Host.Requests)
			}
		}
		return n, k, true
	default:
		return 0, 0, false
	}
	for _, s := range so.Load.Samples {
		if matches(s) {
			k++
		}
	}
	return so.Load.Requests(), k, true
}

// unbroken returns the requests up to the first that has no answer yet: those
// that have ended so far are the fast ones, and a sequence must not choose.
func unbroken(r loadgen.Result) loadgen.Result {
	for i, s := range r.Samples {
		if s.Seq != uint64(i) {
			return loadgen.Result{Samples: r.Samples[:i]}
		}
	}
	return r
}
