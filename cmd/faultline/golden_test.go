package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the outputs that docs shows")

// plans CODE FOLDER: plans all experiments of a folder together, and exits with
// that code.
func plans(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(filepath.Join(args[1], "*.yaml"))
	ts.Check(err)
	exits(ts, false, append([]string{args[0], "faultline", "plan"}, files...))
}

// What is another one each time.
var (
	runID    = regexp.MustCompile(`faultline\.dev/run\.([0-9a-f]{8})`)
	filterID = regexp.MustCompile(`faultline[.-]([0-9a-f]{8})\b`)
	marked   = regexp.MustCompile(`"(until|by|sha)":"[^"]*"`)
)

// shown FILE: what was printed last, without rights, is what a file of docs
// shows; with -update the file is written.
func shown(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile("stdout")
	for _, pattern := range []*regexp.Regexp{runID, filterID} {
		for _, found := range pattern.FindAllStringSubmatch(text, -1) {
			text = strings.ReplaceAll(text, found[1], "RUN")
		}
	}
	text = strings.ReplaceAll(text, `"RUN"`, "RUN") // YAML quotes an id that looks like a number
	text = marked.ReplaceAllString(text, `"$1":"…"`)
	var kept []string
	rights := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "  rights that the run needs"):
			rights = true
		case rights && !inYAML.MatchString(line):
			rights = false
			kept = append(kept, "\n")
		}
		if !rights {
			kept = append(kept, line)
		}
	}
	text = strings.Join(kept, "")
	file := filepath.Join(docs(), args[0])
	if *update {
		ts.Check(os.WriteFile(file, []byte(text), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	ts.Check(err)
	if diff := cmp.Diff(string(want), text); diff != "" {
		ts.Fatalf("%s is not what is printed; rewrite it with `go test ./cmd/faultline -run TestMeshScripts/plans -update` (-want +got):\n%s", file, diff)
	}
}

// docs is the folder of that name.
func docs() string {
	dir, err := filepath.Abs("../../docs") // scripts do not change the test's own folder
	if err != nil {
		return "../../docs"
	}
	return dir
}

// inYAML are lines of a Role.
var inYAML = regexp.MustCompile(`^(---$|[ -]|(apiVersion|kind|metadata|rules):)`)
