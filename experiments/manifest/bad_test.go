package manifest_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/faultline-mesh/faultline/experiments/manifest"
)

var update = flag.Bool("update", false, "rewrite what the golden files under testdata expect")

// Each file under testdata/bad is a claim, a file and the exact error.
func TestBadFiles(t *testing.T) {
	paths, err := filepath.Glob("testdata/bad/*.txtar")
	if err != nil || len(paths) < 50 {
		t.Fatalf("golden files: %d, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil || len(archive.Files) != 2 {
				t.Fatalf("want file.yaml and error.txt: %v", err)
			}
			_, err = manifest.Parse(archive.Files[0].Name, archive.Files[0].Data)
			if err == nil {
				t.Fatal("nothing is wrong with it")
			}
			got, want := err.Error()+"\n", string(archive.Files[1].Data)
			if got == want {
				return
			}
			if !*update {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
				return
			}
			archive.Files[1].Data = []byte(got)
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// The good documents of a bad file are returned beside the error.
func TestGoodDocumentsOfABadFile(t *testing.T) {
	content := fmt.Sprintf(head, "good") + judged + "---\n" + fmt.Sprintf(head, "bad") + "---\n" + fmt.Sprintf(head, "fine") + judged
	all, err := manifest.Parse("file.yaml", []byte(content))
	if err == nil || !strings.HasPrefix(err.Error(), "file.yaml, document 2: spec.load.url: is missing") {
		t.Errorf("got %v", err)
	}
	if len(all) != 2 || all[0].Name != "good" || all[1].Name != "fine" {
		t.Errorf("read %+v, want good and fine", all)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, b := file("a.yaml", fmt.Sprintf(head, "a")+judged), file("b.yaml", fmt.Sprintf(head, "b")+judged)
	all, err := manifest.Load(a, b)
	if err != nil || len(all) != 2 || all[0].File != a || all[1].File != b {
		t.Errorf("read %+v, %v; want one of each file", all, err)
	}

	// All problems of all files, and one good file among them.
	empty, again := file("empty.yaml", ""), file("again.yaml", fmt.Sprintf(head, "a")+judged)
	missing := filepath.Join(dir, "missing.yaml")
	all, err = manifest.Load(empty, missing, a, dir, again)
	if len(all) != 1 || all[0].File != a {
		t.Errorf("read %+v, want that of %s", all, a)
	}
	want := []string{
		empty + ": holds no experiment, want a document with apiVersion, kind, metadata and spec",
		"open " + missing + ": no such file or directory",
		"read " + dir + ": is a directory",
		again + `: metadata.name: found "a", which is the name of the experiment in ` + a + `, too (line 3)`,
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("got:\n%v\nwant:\n%s", err, strings.Join(want, "\n"))
	}
}

func TestTheShopsExperiments(t *testing.T) {
	files, err := filepath.Glob("../../examples/shop/experiments/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	all, err := manifest.Load(files...)
	if err != nil {
		t.Error(err)
	}
	if len(all) < len(files) {
		t.Errorf("read %d experiments in %d files", len(all), len(files))
	}
}

// Whatever a file holds, Parse says what is wrong with it, naming the file in
// every line, or returns experiments that are valid.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.txtar", "../../examples/shop/experiments/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			if archive := txtar.Parse(content); len(archive.Files) > 0 {
				content = archive.Files[0].Data
			}
			f.Add(content)
		}
	}
	f.Add([]byte(everything))
	f.Add([]byte("a: &a {<<: *a}\n"))
	f.Add([]byte("spec: &s {faults: [*s, *s], <<: [*s, {<<: *s}]}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		all, err := manifest.Parse("file.yaml", content)
		if err == nil && len(all) == 0 {
			t.Error("neither an experiment nor an error")
		}
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "file.yaml: ") && !strings.HasPrefix(line, "file.yaml, document ") {
					t.Errorf("a line does not name the file: %q", line)
				}
			}
		}
		for _, one := range all {
			if err := one.Validate(); err != nil {
				t.Errorf("%s was read without an error, but: %v", one.Name, err)
			}
		}
	})
}
