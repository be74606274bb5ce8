package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// problem is one thing that is wrong with a document.
type problem struct {
	path string // the field, in YAML's own names; empty: the whole document
	text string
	line int // 0: not known
}

// Error says the field, what is wrong with it, and where it stands.
func (p problem) Error() string {
	text := p.text
	if p.path != "" {
		text = p.path + ": " + text
	}
	if p.line > 0 {
		text += fmt.Sprintf(" (line %d)", p.line)
	}
	return text
}

// problems are all that is wrong with a document. The zero value has none.
type problems struct {
	found []problem
	told  []string       // paths of which nothing more needs to be said
	lines map[string]int // where each path stands
}

// add notes a problem that stands for itself.
func (p *problems) add(line int, path, format string, args ...any) {
	p.found = append(p.found, problem{path, fmt.Sprintf(format, args...), line})
	p.told = append(p.told, path)
}

// follow notes a problem that may be only the consequence of one that was noted
// before, of the same field, of one within it or of one around it: then it says
// nothing new.
func (p *problems) follow(path, text string) {
	if slices.ContainsFunc(p.told, func(told string) bool { return within(path, told) || within(told, path) }) {
		return
	}
	p.add(p.line(path), path, "%s", text)
}

// place notes where a path stands.
func (p *problems) place(path string, line int) {
	if p.lines == nil {
		p.lines = map[string]int{}
	}
	p.lines[path] = line
}

// line returns where a path stands or, if it does not, what it belongs into.
func (p *problems) line(path string) int {
	for {
		if line, ok := p.lines[path]; ok || path == "" {
			return line
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// only drops all problems but those of some paths.
func (p *problems) only(paths ...string) {
	p.found = slices.DeleteFunc(p.found, func(one problem) bool { return !slices.Contains(paths, one.path) })
}

// err joins the problems, in the order of their lines, each headed by where.
func (p *problems) err(where string) error {
	slices.SortStableFunc(p.found, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var errs []error
	for _, one := range p.found {
		errs = append(errs, fmt.Errorf("%s: %w", where, one))
	}
	return errors.Join(errs...)
}

// within reports whether path is outer, or a field of it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || outer == "" || rest[0] == '.' || rest[0] == '[')
}

// join returns the path of a field.
func join(path, name string) string {
	if name == "" || strings.ContainsFunc(name, isOdd) {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// isOdd reports whether a letter would make a path hard to read.
func isOdd(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./", r)
}
