// Halt conditions that judge the fault phase while it goes on.

package experiments

import (
	"fmt"
	"time"

	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

// clock is how reports write a time of day.
const clock = "15:04:05.000"

// Halt says what ended a fault phase early, or kept it from beginning.
type Halt struct {
	Condition string        // what matched, such as "success rate at most 50%"
	Measured  string        // what was found, such as "12%"; empty where the condition does not say it
	At        time.Time     // when that was seen
	From, To  time.Time     // the time that was judged; zero of conditions that are fetched
	After     time.Duration // from At until the revert began; zero when nothing had been written
}

// String says what matched, what was found, and in which time.
func (h Halt) String() string {
	text := h.Condition
	if h.Measured != "" {
		text += ": " + h.Measured
	}
	return text
}

// text tells the halt for the report: what, when, of which time, and how soon the
// revert began.
func (h Halt) text() string {
	text := fmt.Sprintf("%s; seen at %s", h, h.At.Format(clock))
	if !h.From.IsZero() {
		text += fmt.Sprintf(" of the time since %s", h.From.Format(clock))
	}
	if h.After > 0 {
		text += fmt.Sprintf(", revert began %s later", h.After.Round(time.Millisecond))
	}
	return text
}

func (h Halt) json() *haltJSON {
	out := &haltJSON{Condition: h.Condition, Measured: h.Measured, At: h.At}
	if !h.From.IsZero() {
		out.Window = &windowJSON{h.From, h.To}
	}
	if h.After > 0 {
		out.After = h.After.String()
	}
	return out
}

// asks asks the halt conditions about what has been seen of the fault phase, and
// ends its context when one matches.
func (t *trial) asks(p Phase) {
	if len(t.experiment.HaltWhen) == 0 {
		return
	}
	p.Mesh, _ = t.recorder.Window() // the end of the phase tells which proxies could not be read
	t.windows = append(t.windows, p.Mesh)
	for _, m := range t.experiment.HaltWhen {
		if _, ok := m.(Fetcher); ok {
			continue
		}
		part := t.part(p, m)
		if ok, err := m.Match(part); ok && err == nil {
			t.fire(&haltError{
				Halt: Halt{
					Condition: wanted(m, part), Measured: found(m, part), At: time.Now(), From: part.From, To: part.To,
				},
				evidence: part.Load.String(),
			})
			return
		}
	}
}

// part is what a condition judges of a phase: all of it, or its end.
func (t *trial) part(p Phase, m Matcher) Phase {
	w, ok := m.(windowed)
	if !ok || p.To.Sub(p.From) <= w.length {
		return p
	}
	p.From = p.To.Add(-w.length)
	p.Load = endedSince(p.Load, p.From)
	p.Mesh = countedSince(p.Mesh, p.From, t.windows)
	return p
}

// endedSince returns the requests that ended at or after a time, whenever they
// were meant to be sent: one that was given up after 10 s is news then.
func endedSince(load loadgen.Result, since time.Time) loadgen.Result {
	var part loadgen.Result
	for _, s := range load.Samples {
		if !s.Intended.Add(s.Latency).Before(since) {
			part.Samples = append(part.Samples, s)
		}
	}
	return part
}

// countedSince returns what of a change came at or after a time, as near as the
// earlier looks at the same phase tell: never less than that.
func countedSince(now observe.Change, since time.Time, earlier []observe.Change) observe.Change {
	var base *observe.Change
	for i := range earlier {
		if !earlier[i].To.After(since) && !earlier[i].From.Before(now.From) {
			base = &earlier[i]
		}
	}
	if base == nil {
		return now
	}
	part := observe.Snapshot{At: now.To, Proxies: now.Proxies}.Since(observe.Snapshot{At: base.To, Proxies: base.Proxies})
	part.Ejections = nil
	for _, e := range now.Ejections {
		if e.ReadmittedAt.IsZero() || e.ReadmittedAt.After(part.From) {
			part.Ejections = append(part.Ejections, e)
		}
	}
	return part
}

// found returns what a matcher measured, if it says so.
func found(m Matcher, actual any) string {
	if says, ok := m.(interface{ Measured(actual any) string }); ok {
		return says.Measured(actual)
	}
	return ""
}
