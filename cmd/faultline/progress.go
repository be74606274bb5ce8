package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/faultline-mesh/faultline/experiments"
)

// progress tells what happens while it happens: on a terminal a step that goes on
// is one line that changes, elsewhere each step is one plain line.
type progress struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	open     bool // the last line has no end yet
	name     string
}

func newProgress(out io.Writer) *progress {
	file, ok := out.(*os.File)
	return &progress{out: out, terminal: ok && term.IsTerminal(int(file.Fd()))}
}

// begin names the experiment that the next steps belong to.
func (p *progress) begin(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.name = name
}

// line tells a step of its own.
func (p *progress) line(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
	fmt.Fprintf(p.out, "· %s\n", text)
}

// event tells a step of an experiment.
func (p *progress) event(e experiments.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := e.Text
	if e.Left > 0 {
		text = fmt.Sprintf("%s left; %s", e.Left.Round(time.Second), e.Text)
	}
	line := fmt.Sprintf("· %s %-8s %s", p.name, e.Step, text)
	switch {
	case !p.terminal && e.Again:
		return
	case !p.terminal:
		fmt.Fprintln(p.out, line)
	default:
		if !e.Again {
			p.finish()
		}
		fmt.Fprintf(p.out, "\r\x1b[K%s", clip(line, p.width()))
		p.open = true
	}
}

// end leaves the line that changes.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
}

func (p *progress) finish() {
	if p.open {
		fmt.Fprintln(p.out)
		p.open = false
	}
}

func (p *progress) width() int {
	file, ok := p.out.(*os.File)
	if !ok {
		return 80
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width < 20 {
		return 80
	}
	return width
}

func clip(line string, width int) string {
	if runes := []rune(line); len(runes) >= width {
		return string(runes[:width-2]) + "…"
	}
	return line
}
