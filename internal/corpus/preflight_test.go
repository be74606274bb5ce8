package corpus

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
)

// Every policy in Istio's samples and tests, and in what its own analyzers are
// tested with, can be looked at before a run: nothing panics, each finding says
// something, and what is found is printed by rule.
func TestPreflight(t *testing.T) {
	source := istioDir(t)
	var c census
	for _, dir := range []string{"samples", "tests", "pkg/config/analysis/analyzers/testdata"} {
		c.walk(t, filepath.Join(source, dir))
	}
	if c.worlds < 100 || c.questions < 150 {
		t.Errorf("only %d files with policies, and %d questions about them", c.worlds, c.questions)
	}
	t.Logf("%d files with policies, %d questions, the longest took %s; objects not taken: %d", c.worlds, c.questions, c.longest.Round(time.Microsecond), c.untaken)
	for _, rule := range slices.SortedFunc(maps.Keys(c.found), func(a, b string) int { return cmp.Compare(len(c.found[b]), len(c.found[a])) }) {
		files := c.found[rule]
		where := slices.Sorted(maps.Keys(files))
		t.Logf("%-28s in %3d files, such as %s: %s", rule, len(files), where[0], files[where[0]])
	}
	for _, rule := range []string{"subset-missing", "second-virtual-service", "route-never-reached", "advice-timeout"} {
		if len(c.found[rule]) == 0 {
			t.Errorf("%s is in none of the files, though some are made for it", rule)
		}
	}
}

// census is what was found.
type census struct {
	worlds, questions, untaken int
	longest                    time.Duration
	found                      map[string]map[string]string // by rule, by file: one of its findings
}

func (c *census) walk(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path)) {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(filepath.Dir(dir), path)
		if err == nil {
			c.file(t, name, string(content))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// file asks about every service that a file has policies for.
func (c *census) file(t *testing.T, name, content string) {
	t.Helper()
	var w preflight.World
	targets := map[string]target{}
	for n, document := range separator.Split(content, -1) {
		s := read(fmt.Sprintf("%s#%d", name, n), []byte(document))
		if s.wrong != "" || s.object.GetKind() == "" {
			continue
		}
		if s.object.GetNamespace() == "" {
			s.object.SetNamespace("corpus")
		}
		if err := w.Add(s.object); err != nil {
			c.untaken++
			continue
		}
		for _, target := range subjects(s.object) {
			targets[fmt.Sprint(target)] = target
		}
	}
	if len(targets) == 0 {
		return
	}
	c.worlds++
	for _, key := range slices.Sorted(maps.Keys(targets)) {
		c.ask(t, name, w, targets[key])
	}
}

// subjects are the services that an object has policies for.
func subjects(o *unstructured.Unstructured) []target {
	switch o.GetKind() {
	case "VirtualService":
		return targetsOf(o)
	case "DestinationRule":
		host, _, _ := unstructured.NestedString(o.Object, "spec", "host")
		return []target{{on: serviceOf(host, o.GetNamespace())}}
	}
	return nil
}

// ask checks an experiment on one service, which is put into the world when it is
// not there.
func (c *census) ask(t *testing.T, file string, w preflight.World, of target) {
	t.Helper()
	defer func() {
		if bad := recover(); bad != nil {
			t.Errorf("%s: it made preflight panic: %v", file, bad)
		}
	}()
	w.Services = slices.Clone(w.Services)
	if of.on.Host == "" {
		if err := w.Add(&unstructured.Unstructured{Object: object{
			"kind": "Service", "metadata": object{"namespace": of.on.Namespace, "name": of.on.Name},
			"spec": object{"selector": object{"app": of.on.Name}, "ports": []any{object{"name": "http", "port": int64(80)}}},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	q := preflight.Question{
		Faults: []injector.Fault{{On: of.on, From: of.from, Site: injector.Upstream, Effect: injector.Abort{HTTPStatus: 503, Percent: 100}}},
		Load:   loadgen.Load{URL: "http://shop.example/"}, Settle: time.Second, Duration: time.Second, Recovery: time.Second,
	}
	began := time.Now()
	result := preflight.Check(q, w)
	c.longest, c.questions = max(c.longest, time.Since(began)), c.questions+1
	for _, f := range result.Findings {
		if f.Rule == "" || f.Text == "" {
			t.Errorf("%s: a finding that says nothing: %+v", file, f)
		}
		if strings.Contains(f.String(), "%!") {
			t.Errorf("%s: a finding that is not well written: %s", file, f)
		}
		if c.found == nil {
			c.found = map[string]map[string]string{}
		}
		if c.found[f.Rule] == nil {
			c.found[f.Rule] = map[string]string{}
		}
		c.found[f.Rule][file] = f.String()
	}
}
