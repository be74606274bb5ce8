package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Names of the files in a run's directory.
const (
	ReportFile = "report.json"
	TextFile   = "report.txt"
	bundleFile = "bundle.json"
)

// maxConfig bounds what is kept of one kind of configuration of one proxy.
const maxConfig = 1 << 20

// StateDir is where runs are kept when nobody says otherwise: $FAULTLINE_STATE,
// else faultline in $XDG_STATE_HOME, else in ~/.local/state; in runs there.
func StateDir() (string, error) {
	if dir := os.Getenv("FAULTLINE_STATE"); dir != "" {
		return filepath.Join(dir, "runs"), nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "faultline", "runs"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("state directory: %w; set FAULTLINE_STATE", err)
	}
	return filepath.Join(home, ".local", "state", "faultline", "runs"), nil
}

// Write keeps a run in dir/RUN, which nobody else may read, and returns its path.
// It is there whole or not at all.
func Write(dir string, b Bundle, report []byte, text string) (string, error) {
	if !isRun(b.Run) {
		return "", fmt.Errorf("keep run %q: its id is no name of a directory", b.Run)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("keep run %s: %w", b.Run, err)
	}
	part, err := os.MkdirTemp(dir, ".part-")
	if err != nil {
		return "", fmt.Errorf("keep run %s: %w", b.Run, err)
	}
	defer os.RemoveAll(part) //nolint:errcheck // gone when all went well
	final := filepath.Join(dir, b.Run)
	if err := errors.Join(write(part, b, report, text), os.RemoveAll(final), os.Rename(part, final)); err != nil {
		return "", fmt.Errorf("keep run %s: %w", b.Run, err)
	}
	return final, nil
}

func write(dir string, b Bundle, report []byte, text string) error {
	for i := range b.Proxies {
		p := &b.Proxies[i]
		p.Dir = filepath.Join("proxies", strings.ReplaceAll(strings.TrimPrefix(p.Name, "Pod "), "/", "_"))
		files := map[string][]byte{
			"routes.json": list(p.RouteConfig), "clusters.json": list(p.ClusterConfig),
			"access.log": lines(p.AccessLog), "flagged.log": lines(p.Marked), "proxy.log": lines(p.Log),
		}
		for name, content := range files {
			if err := put(dir, filepath.Join(p.Dir, name), content); err != nil {
				return err
			}
		}
	}
	var objects bytes.Buffer
	for _, o := range b.Objects {
		content, err := yaml.Marshal(o.Content)
		if err != nil {
			return err
		}
		fmt.Fprintf(&objects, "---\n%s", content)
	}
	summary, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		put(dir, "objects.yaml", objects.Bytes()), put(dir, ReportFile, report), put(dir, TextFile, []byte(text)), put(dir, bundleFile, summary))
}

// put writes a file, unless there is nothing to write.
func put(dir, name string, content []byte) error {
	if len(content) == 0 {
		return nil
	}
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

// list is some JSON documents as one, up to a bound.
func list(documents []json.RawMessage) []byte {
	if len(documents) == 0 {
		return nil
	}
	var all bytes.Buffer
	all.WriteString("[\n")
	for i, d := range documents {
		if all.Len()+len(d) > maxConfig {
			fmt.Fprintf(&all, "\"and %d more, which are too large to keep\"", len(documents)-i)
			break
		}
		all.Write(d)
		if i < len(documents)-1 {
			all.WriteString(",\n")
		}
	}
	all.WriteString("\n]\n")
	return all.Bytes()
}

func lines(all []string) []byte {
	if len(all) == 0 {
		return nil
	}
	return []byte(strings.Join(all, "\n") + "\n")
}

// Kept is a run that was read back.
type Kept struct {
	Dir    string
	Bundle Bundle
	Report []byte // JSON
	Files  []string
}

// Read reads a run back, or with an empty id the latest.
func Read(dir, run string) (Kept, error) {
	if run == "" {
		runs, err := runs(dir)
		if err != nil {
			return Kept{}, err
		}
		if len(runs) == 0 {
			return Kept{}, fmt.Errorf("no run is kept in %s", dir)
		}
		run = runs[len(runs)-1]
	}
	if !isRun(run) {
		return Kept{}, fmt.Errorf("found %q, want the id of a run, such as 49c476b4", run)
	}
	kept := Kept{Dir: filepath.Join(dir, run)}
	content, err := os.ReadFile(filepath.Join(kept.Dir, bundleFile))
	if errors.Is(err, os.ErrNotExist) {
		return Kept{}, missing(dir, run)
	}
	if err != nil {
		return Kept{}, err
	}
	if err := json.Unmarshal(content, &kept.Bundle); err != nil {
		return Kept{}, fmt.Errorf("%s: %w", filepath.Join(kept.Dir, bundleFile), err)
	}
	if kept.Report, err = os.ReadFile(filepath.Join(kept.Dir, ReportFile)); err != nil {
		return Kept{}, err
	}
	kept.Files, err = filesIn(kept.Dir)
	return kept, err
}

// missing says that a run is not there, and which are.
func missing(dir, run string) error {
	const few = 5
	known, err := runs(dir)
	if err != nil {
		return err
	}
	slices.Reverse(known)
	if len(known) == 0 {
		return fmt.Errorf("run %s is not kept in %s, nor is any other", run, dir)
	}
	return fmt.Errorf("run %s is not kept in %s; the latest there are %s", run, dir, strings.Join(known[:min(few, len(known))], ", "))
}

// Prune leaves the newest runs and removes the others.
func Prune(dir string, newest int) error {
	known, err := runs(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, run := range known[:max(0, len(known)-newest)] {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, run)))
	}
	return errors.Join(errs...)
}

// runs lists the ids of the runs in dir, the oldest first.
func runs(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	type kept struct {
		run string
		at  time.Time
	}
	var all []kept
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, e.Name(), bundleFile))
		if err == nil && isRun(e.Name()) {
			all = append(all, kept{e.Name(), info.ModTime()})
		}
	}
	slices.SortStableFunc(all, func(a, b kept) int { return a.at.Compare(b.at) })
	var ids []string
	for _, k := range all {
		ids = append(ids, k.run)
	}
	return ids, nil
}

// isRun reports whether an id is one of ours: letters and digits.
func isRun(id string) bool {
	return id != "" && strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

func filesIn(dir string) ([]string, error) {
	var all []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(dir, path)
			all = append(all, name)
		}
		return err
	})
	return all, err
}
