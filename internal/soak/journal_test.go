package soak

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/faultline-mesh/faultline/experiments"
)

// entry is what came of a run.
type entry struct {
	N       int
	Twin    bool // without outlier detection
	Verdict string
	Seconds float64
	Report  string `json:",omitempty"` // of a false verdict
}

// false reports whether the verdict is.
func (e entry) false() bool {
	if e.Twin {
		return e.Verdict != experiments.Deviated.String()
	}
	return e.Verdict != experiments.Held.String()
}

// String tells the entry in one line.
func (e entry) String() string {
	text := e.Verdict
	if e.false() {
		text = "A FALSE VERDICT: " + text
	}
	return fmt.Sprintf("%-10s %s, %.1fs", text, map[bool]string{true: "no outlier detection", false: "as it is"}[e.Twin], e.Seconds)
}

// journal keeps what came of the runs, in a file if there is one.
type journal struct {
	file    string
	entries []entry
}

// openJournal reads what an interrupted soak of so many runs has left. One that
// was finished is begun anew.
func openJournal(t *testing.T, file string, runs int) *journal {
	t.Helper()
	j := &journal{file: file}
	if file == "" {
		return j
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) == nil { // else it was cut off
			j.entries = append(j.entries, e)
		}
	}
	if len(j.entries) >= runs {
		j.entries = nil
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

func (j *journal) done() int { return len(j.entries) }

// add takes an entry in, and writes it down at once.
func (j *journal) add(t *testing.T, e entry) {
	t.Helper()
	j.entries = append(j.entries, e)
	if j.file == "" {
		return
	}
	line, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(j.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = out.Write(append(line, '\n'))
		err = errors.Join(err, out.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sum says what came of all.
func (j *journal) sum() string {
	counts := map[string]int{}
	seconds := []float64{0}
	falseOnes := 0
	for _, e := range j.entries {
		counts[e.Verdict]++
		seconds = append(seconds, e.Seconds)
		if e.false() {
			falseOnes++
		}
	}
	slices.Sort(seconds)
	return fmt.Sprintf("%d runs: %d Held, %d Deviated, %d false verdicts; p50 %.1fs, longest %.1fs",
		len(j.entries), counts["Held"], counts["Deviated"], falseOnes, seconds[len(seconds)/2], seconds[len(seconds)-1])
}
