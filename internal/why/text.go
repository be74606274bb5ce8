package why

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/faultline-mesh/faultline/internal/bundle"
)

const clock = "15:04:05.000"

// Text tells what was kept of a run: what was asked, what happened in order, what
// the proxies showed, the likely causes with what to do next, and where the files
// are. Times are UTC.
func Text(kept bundle.Kept) (string, error) {
	s, err := read(kept)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s (run %s)\n  %s\n", s.Verdict, s.Experiment, s.Run, s.Title)
	section(&text, "Why", indented(s.Reason))
	section(&text, "What was asked", s.asked()...)
	section(&text, "What happened (UTC)", s.happened()...)
	section(&text, "What the proxies showed", s.showed()...)
	section(&text, "Most likely", s.likely()...)
	section(&text, "Files", s.where()...)
	return text.String(), nil
}

func section(text *strings.Builder, head string, lines ...string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(text, "\n%s\n", head)
	for _, line := range lines {
		fmt.Fprintf(text, "  %s\n", line)
	}
}

func indented(text string) string { return strings.ReplaceAll(text, "\n", "\n  ") }

func (s seen) asked() []string {
	var lines []string
	for _, f := range s.Asked.Faults {
		lines = append(lines, "fault  "+f)
	}
	return append(lines, "load   "+s.Asked.Load)
}

// happened puts in order what the run told and what its phases were.
func (s seen) happened() []string {
	type moment struct {
		at   time.Time
		text string
	}
	var all []moment
	for _, m := range s.Story {
		if m.Step != "verdict" && m.Step != "bundle" {
			all = append(all, moment{m.At, fmt.Sprintf("%-9s %s", m.Step, m.Text)})
		}
	}
	for name, p := range s.Phases {
		all = append(all, moment{p.From, fmt.Sprintf("%-9s %s", name, p.text())})
	}
	for _, e := range s.Evidence.Ejections {
		all = append(all, moment{e.At, fmt.Sprintf("%-9s %s of %s is taken out by %s after %d errors", "ejection", e.Host, e.Service, e.Proxy, e.Errors)})
		if e.ReadmittedAt != nil {
			all = append(all, moment{*e.ReadmittedAt, fmt.Sprintf("%-9s %s of %s is back at %s", "ejection", e.Host, e.Service, e.Proxy)})
		}
	}
	if s.Halt != nil {
		text := fmt.Sprintf("%-9s %s", "halt", s.Halt.Condition)
		if s.Halt.Measured != "" {
			text += ": " + s.Halt.Measured
		}
		if s.Halt.After != "" {
			text += fmt.Sprintf("; the revert began %s later", short(s.Halt.After))
		}
		all = append(all, moment{s.Halt.At, text})
	}
	slices.SortStableFunc(all, func(a, b moment) int { return a.at.Compare(b.at) })
	var lines []string
	for _, m := range all {
		lines = append(lines, m.at.UTC().Format(clock)+"  "+indented(m.text))
	}
	return append(lines, s.inTheMesh()...)
}

// inTheMesh tells how the fault came and went.
func (s seen) inTheMesh() []string {
	if len(s.Revert.Objects) == 0 {
		return []string{"nothing was written to the mesh"}
	}
	in, out := s.Convergence.Inject, s.Convergence.Revert
	text := fmt.Sprintf("in force on %d of %d proxies", in.Proxies-len(in.Late), in.Proxies)
	if in.Proxies > len(in.Late) {
		text += " after " + short(in.Max)
	}
	gone := "gone again after " + short(out.Max)
	if len(out.Late) > 0 {
		gone = fmt.Sprintf("%d of %d proxies did not drop it in time", len(out.Late), out.Proxies)
	}
	objects := strings.Join(s.Revert.Objects, ", ")
	if !s.Revert.Clean {
		return []string{fmt.Sprintf("%s; NOT every object is known to be clean: %s", text, objects)}
	}
	return []string{fmt.Sprintf("%s, %s; every object is clean: %s", text, gone, objects)}
}

// text tells a phase and those of its checks that did not hold.
func (p phase) text() string {
	text := fmt.Sprintf("%d requests", p.Load.Requests)
	if p.Load.SuccessRate != nil {
		text += fmt.Sprintf(", %.1f%% ok", 100**p.Load.SuccessRate)
	}
	if len(p.Load.Codes) > 0 {
		text += fmt.Sprintf(" (%s)", codes(p.Load.Codes))
	}
	if p.Load.P50 != "" {
		text += fmt.Sprintf(", p50 %s, p99 %s", short(p.Load.P50), short(p.Load.P99))
	}
	text += fmt.Sprintf(", for %s", p.To.Sub(p.From).Round(10*time.Millisecond))
	lines := []string{text}
	for _, c := range p.Checks {
		switch within := strings.ReplaceAll(c.Text, "\n", "\n                  "); {
		case c.Open:
			lines = append(lines, "              open  "+within)
		case !c.Held:
			lines = append(lines, "              NOT   "+within)
		}
	}
	return strings.Join(lines, "\n")
}

func codes(all map[string]int) string {
	var texts []string
	for _, code := range slices.Sorted(maps.Keys(all)) {
		name := code
		if code == "0" {
			name = "no answer"
		}
		texts = append(texts, fmt.Sprintf("%s ×%d", name, all[code]))
	}
	return strings.Join(texts, ", ")
}

// short rounds a duration as Go writes it.
func short(text string) string {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return text
	case d > time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d > time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.String()
}

// where lists the files, those of one proxy in a line.
func (s seen) where() []string {
	lines := []string{s.dir}
	dirs := map[string][]string{}
	for _, file := range s.files {
		if i := strings.LastIndex(file, "/"); i >= 0 {
			dirs[file[:i]] = append(dirs[file[:i]], file[i+1:])
		} else {
			lines = append(lines, "  "+file)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		lines = append(lines, fmt.Sprintf("  %s/  %s", dir, strings.Join(dirs[dir], " ")))
	}
	return lines
}
