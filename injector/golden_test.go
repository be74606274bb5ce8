package injector

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite what the golden files under testdata expect")

// goldenFault is the form that faults have in golden files.
type goldenFault struct {
	On struct {
		Namespace, Name, Host, Subset string
		Port                          int
	}
	Site        string
	Delay       *goldenDelay
	Abort       *Abort
	Delays      []goldenDelay
	Without     string
	Blackhole   *Blackhole
	Ramp        []float64
	From        Callers
	Headers     map[string]string
	AllTraffic  bool
	Pods        int
	PodsPercent float64
	PodNames    []string
}

type goldenDelay struct {
	Fixed   metav1.Duration
	Percent float64
}

func (g goldenFault) fault() Fault {
	f := Fault{
		On:   Service{Namespace: g.On.Namespace, Name: g.On.Name, Host: g.On.Host, Subset: g.On.Subset, Port: g.On.Port},
		Site: map[string]Site{"caller": Caller, "upstream": Upstream}[g.Site],
		From: g.From, Headers: g.Headers, AllTraffic: g.AllTraffic, Ramp: g.Ramp,
		Pods: g.Pods, PodsPercent: g.PodsPercent, PodNames: g.PodNames,
	}
	switch {
	case g.Delay != nil:
		f.Effect = Delay{Fixed: g.Delay.Fixed.Duration, Percent: g.Delay.Percent}
	case g.Abort != nil:
		f.Effect = *g.Abort
	case g.Delays != nil:
		var delays Delays
		for _, step := range g.Delays {
			delays.Steps = append(delays.Steps, DelayStep{Fixed: step.Fixed.Duration, Percent: step.Percent})
		}
		f.Effect = delays
	case g.Without != "":
		f.Effect = Without{Policy: map[string]Policy{"retries": Retries, "timeout": Timeout}[g.Without]}
	case g.Blackhole != nil:
		f.Effect = *g.Blackhole
	}
	return f
}

// golden is one file under testdata/merge: a claim, and the objects that prove
// it. In it fault.yaml lists faults; limits.yaml their limits; world.yaml what
// the cluster has beside payments; before.yaml the VirtualServices. after.yaml
// has the objects as written, notes.txt the plan's notes, refused.txt the
// reasons instead. reverted.yaml is before.yaml once more.
type golden struct {
	path    string
	archive *txtar.Archive
}

func loadGolden(t *testing.T) map[string]*golden {
	t.Helper()
	paths, err := filepath.Glob("testdata/merge/*.txtar")
	if err != nil || len(paths) < 8 {
		t.Fatalf("golden files: %d, %v", len(paths), err)
	}
	files := map[string]*golden{}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(filepath.Base(path), ".txtar")] = &golden{path, archive}
	}
	return files
}

func (g *golden) file(name string) string {
	for _, f := range g.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// expect compares got with a file, or with -update writes it there.
func (g *golden) expect(t *testing.T, name, got string) {
	t.Helper()
	want := g.file(name)
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		return
	}
	var files []txtar.File
	for _, f := range g.archive.Files {
		if f.Name != name {
			files = append(files, f)
		}
	}
	if got != "" {
		files = append(files, txtar.File{Name: name, Data: []byte(got)})
	}
	g.archive.Files = files
	if err := os.WriteFile(g.path, txtar.Format(g.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ask returns what the file asks for, and the world it asks it in.
func (g *golden) ask(t *testing.T) (world, request) {
	t.Helper()
	var faults []goldenFault
	r := request{run: testRun, by: testBy, until: testUntil, now: testNow}
	if err := yaml.UnmarshalStrict([]byte(g.file("fault.yaml")), &faults); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(g.file("limits.yaml")), &r.limits); err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		r.faults = append(r.faults, f.fault())
	}
	cluster := payments
	if own := g.file("world.yaml"); own != "" {
		cluster = own
	}
	return worldOf(append(decode(t, cluster), decode(t, g.file("before.yaml"))...)...), r
}

func (g *golden) plan(t *testing.T) (Plan, error) {
	t.Helper()
	return makePlan(g.ask(t))
}

// written returns the objects as the plan leaves them, each once.
func written(plan Plan) []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	for _, edit := range plan.Edits {
		if n := len(objects); n > 0 && refOf(objects[n-1]) == edit.Ref {
			objects = objects[:n-1]
		}
		objects = append(objects, edit.After)
	}
	return objects
}

// reverted returns the objects without run; those that are its own are gone.
func reverted(tb testing.TB, objects []*unstructured.Unstructured, run string) []*unstructured.Unstructured {
	tb.Helper()
	var left []*unstructured.Unstructured
	for _, obj := range objects {
		if !carries(obj, run) {
			tb.Errorf("%s does not carry run %s", refOf(obj), run)
		}
		if isWhole(obj, run) {
			continue
		}
		clean, err := without(obj, run)
		if err != nil {
			tb.Fatal(err)
		}
		if carries(clean, run) {
			tb.Errorf("%s still carries run %s", refOf(obj), run)
		}
		left = append(left, clean)
	}
	return left
}
