package experiments

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/faultline-mesh/faultline/observe"
)

// String tells the whole report to people. The first line is the answer: the
// verdict, the experiment and the reason.
func (r *Report) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s: %s\n", r.Verdict, r.Name, indented(r.Reason, "    "))
	fmt.Fprintf(&text, "  %s (run %s)\n", r.Title, r.Run)
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(head, content string) { // a strings.Builder takes everything
		_, _ = fmt.Fprintf(table, "  %s\t%s\n", head, indented(content, "  \t    "))
	}
	for _, p := range r.Phases() {
		for n, line := range p.lines() {
			row([2]string{p.Name, ""}[min(n, 1)], line)
		}
	}
	if r.Halt != nil {
		row("halted", r.Halt.text())
	}
	for _, e := range r.Evidence {
		for n, line := range e.lines() {
			row([2]string{"evidence", ""}[min(n, 1)], line)
		}
	}
	for _, e := range r.Standing {
		row("standing", fmt.Sprintf("%s; it is not this run's", cmp.Or(e.Off, e.String())))
	}
	for n, s := range r.Ramp {
		row("ramp", fmt.Sprintf("step %d: %s", n+1, s))
	}
	for _, e := range r.Ejections() {
		row("ejected", ejectionText(e))
	}
	for _, a := range r.Attribution {
		row("who", a.String())
	}
	r.proxyRows(row)
	_ = table.Flush() // a strings.Builder takes everything
	return text.String()
}

// proxyRows are what the report says of the proxies themselves.
func (r *Report) proxyRows(row func(head, content string)) {
	for _, s := range r.Restarts {
		row("restarted", fmt.Sprintf("%s, noticed after the phase %s", s.Proxy, s.Phase))
	}
	if len(r.Born) > 0 {
		row("born", strings.Join(r.Born, ", ")+": the fault was waited for there, too; what they counted is not in the numbers above")
	}
	if len(r.Gone) > 0 {
		row("gone", strings.Join(r.Gone, ", ")+": what they counted up to their last reading is in the numbers above")
	}
	if len(r.Objects) > 0 {
		row("mesh", r.meshText())
	}
}

// lines are what the report says of a phase.
func (p Phase) lines() []string {
	lines := []string{p.Load.String()}
	if p.Stopped != "" {
		lines = append(lines, p.Stopped)
	}
	for _, c := range p.Checks {
		lines = append(lines, c.mark()+c.Text)
	}
	for _, placed := range p.Placement {
		lines = append(lines, "hop   "+placed.String())
	}
	return lines
}

func (c Check) mark() string {
	switch {
	case c.Held:
		return "held  "
	case c.NoSamples, c.misused:
		return "open  "
	default:
		return "NOT   "
	}
}

func ejectionText(e observe.Ejection) string {
	back := "still out at the end"
	if !e.ReadmittedAt.IsZero() {
		back = fmt.Sprintf("readmitted after %.1fs", e.ReadmittedAt.Sub(e.At).Seconds())
	}
	return fmt.Sprintf("%s of %s by %s after %d errors, %s", e.Address, e.Cluster.Service, e.Proxy, e.Errors, back)
}

func (r *Report) meshText() string {
	state := "NOT every fault is known to be out"
	if r.Clean {
		state = "every fault is out again"
	}
	gone := "after " + r.Reverted.Max.Round(time.Millisecond).String()
	if len(r.Reverted.Late) > 0 || r.Reverted.Proxies == 0 {
		gone = "from " + r.Reverted.reach()
	}
	return fmt.Sprintf("in force on %s, gone %s; %s: %s", r.Injected.reach(), gone, state, strings.Join(r.Objects, ", "))
}

// String says what the step was, and when it was in force.
func (s RampStep) String() string {
	return fmt.Sprintf("%s: in force on %s", strings.Join(s.Faults, ", "), s.Convergence.reach())
}

// reach says how many proxies a change reached and how long that took.
func (c Convergence) reach() string {
	reached := max(0, c.Proxies-len(c.Late))
	if reached == 0 {
		return "no proxy"
	}
	number := strconv.Itoa(reached)
	if reached < c.Proxies {
		number += fmt.Sprintf(" of %d", c.Proxies)
	}
	unit := "proxies"
	if c.Proxies == 1 {
		unit = "proxy"
	}
	return fmt.Sprintf("%s %s after %s", number, unit, c.Max.Round(time.Millisecond))
}

func indented(text, by string) string { return strings.ReplaceAll(text, "\n", "\n"+by) }
