// The verdict: one table of what can keep a run from being Held.

package experiments

import (
	"fmt"
	"slices"
	"strings"
)

// outcome is all that a verdict is drawn from.
type outcome struct {
	*Report
	asked       Experiment // with its defaults
	halted      string     // what a halt condition, or the halt flag, said
	interrupted error      // why the run could not be completed, or nil
}

// row is a line of the table in docs/verdicts.md.
type row struct {
	part    part
	when    string // as the document has it
	verdict Verdict
	// reason says in a sentence, with numbers and what to do next, that the row
	// applies; it is empty where it does not. It is pure.
	reason func(outcome) string
}

// part is what a row is about.
type part int

const (
	ended  part = iota // the run did not come to its end
	ground             // the baseline: without it nothing is injected
	force              // the fault was in the proxies that make it
	proof              // the fault met the traffic, and the load was as asked
	answer             // what the matchers said
)

// table has every row; the first that applies decides. To add one: a line here, a
// line with the same words in docs/verdicts.md, and a spoiler in judge_test.go.
func table() []row {
	return []row{
		{ended, "a matcher of `haltWhen` matched, or a namespace of the run has the halt flag", Halted, haltMatched},
		{ended, "something cut the run short", Inconclusive, cutShort},
		{ground, "callers did not have a policy that is written, before the baseline", Inconclusive, policyNotInForce},
		{ground, "a check of the baseline did not hold, or could not judge", Inconclusive, baselineNotGood},
		{ground, "no request of the baseline ended", Inconclusive, baselineUnanswered},
		{ground, "requests of the baseline left too late, because the sender was busy", Inconclusive, baselineLate},
		{ground, "an observed proxy restarted in the baseline", Inconclusive, restartedBefore},
		{ground, "the load does not come to where the fault is made", Inconclusive, missed},
		{force, "no proxy knows the service", Inconclusive, nobodyToShow},
		{force, "proxies did not show the fault within 15 s", Inconclusive, lateToShow},
		{force, "proxies did not show a step of its ramp within 15 s", Inconclusive, lateToStep},
		{force, "an observed proxy restarted after the baseline", Inconclusive, restartedAfter},
		{force, "no pod of a faulted service was left when its phase ended", Inconclusive, vanished},
		{force, "proxies lost the fault before its phase was over", Inconclusive, lost},
		{force, "proxies did not drop the fault in time", Inconclusive, lateToDrop},
		{proof, "no request of the fault phase ended", Inconclusive, duringUnanswered},
		{proof, "the header that tells the fault's requests does not arrive where it is made, or not with all of them", Inconclusive, lacking},
		{proof, "the fault is on all traffic, and what met it were requests of others", Inconclusive, strangers},
		{proof, "requests of the baseline were hit in the same way", Inconclusive, hitBefore},
		{proof, "pods without a fault that is for all pods of the service got requests", Inconclusive, unfaulted},
		{proof, "sources of evidence contradict each other, and none proves it", Inconclusive, contradicted},
		{proof, "nothing shows that the fault fired", Inconclusive, unfired},
		{proof, "it did not fire on every proxy that the load passes", Inconclusive, silentProxies},
		{proof, "a step of a ramp or of `delays` did not fire", Inconclusive, partUnfired},
		{proof, "it fired on a share that its percent cannot explain", Inconclusive, firedOff},
		{proof, "requests of the fault phase or the recovery left too late, because the sender was busy", Inconclusive, senderLate},
		{proof, "no request of the recovery ended", Inconclusive, recoveryUnanswered},
		{answer, "a matcher did not hold in the fault phase or the recovery", Deviated, notHeld},
		{answer, "a matcher had too few samples", Inconclusive, tooFew},
		{answer, "a matcher was used wrongly", Inconclusive, misused},
		{answer, "no matcher was asked", Inconclusive, nothingAsked},
	}
}

// judge draws the verdict.
func judge(o outcome) (Verdict, string) {
	if first, reason := firstRow(o); reason != "" {
		return first.verdict, reason
	}
	return Held, held(o.Report)
}

// firstRow returns the first row that applies, of some parts or of the whole
// table, and its reason; no reason when none does.
func firstRow(o outcome, parts ...part) (row, string) {
	for _, r := range table() {
		if len(parts) > 0 && !slices.Contains(parts, r.part) {
			continue
		}
		if reason := r.reason(o); reason != "" {
			return r, reason
		}
	}
	return row{}, ""
}

// held sums up a success.
func held(r *Report) string {
	checks := len(r.Baseline.Checks) + len(r.During.Checks) + len(r.Recovery.Checks)
	text := []string{fmt.Sprintf("all %d checks held", checks)}
	if len(r.Evidence) > 0 {
		text[0] += fmt.Sprintf(", with the fault in force on %d of %d proxies", r.Injected.Proxies, r.Injected.Proxies)
	}
	for _, e := range r.Evidence {
		text = append(text, e.String())
	}
	return strings.Join(text, "; ")
}

// String renders the evidence as a clause.
func (e Evidence) String() string {
	text := fmt.Sprintf("%s fired %d times (%s)", e.Fault, e.Fired, e.Source)
	if e.Of > 0 {
		text = fmt.Sprintf("%s fired on %d of %d requests (%s)", e.Fault, e.Fired, e.Of, e.Source)
	}
	for n, p := range e.Parts {
		text += [2]string{": ", ", "}[min(n, 1)] + p.String()
	}
	return text
}

// String renders the part as a clause, such as "2s on 5%: 12 of 240".
func (p Part) String() string { return fmt.Sprintf("%s: %d of %d", p.Name, p.Fired, p.Of) }
