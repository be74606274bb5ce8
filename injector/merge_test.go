package injector

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite what the golden files under testdata expect")

// goldenFault is the form that faults have in golden files.
type goldenFault struct {
	On struct {
		Namespace, Name, Subset string
		Port                    int
	}
	Site  string
	Delay *struct {
		Fixed   metav1.Duration
		Percent float64
	}
	Abort *struct {
		HTTPStatus int
		Percent    float64
	}
	Pods       int
	AllTraffic bool
}

func (g goldenFault) fault() Fault {
	f := Fault{
		On:   Service{Namespace: g.On.Namespace, Name: g.On.Name, Subset: g.On.Subset, Port: g.On.Port},
		Site: map[string]Site{"caller": Caller, "upstream": Upstream}[g.Site],
		Pods: g.Pods, AllTraffic: g.AllTraffic,
	}
	if g.Delay != nil {
		f.Effect = Delay{Fixed: g.Delay.Fixed.Duration, Percent: g.Delay.Percent}
	}
	if g.Abort != nil {
		f.Effect = Abort{HTTPStatus: g.Abort.HTTPStatus, Percent: g.Abort.Percent}
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

func (g *golden) plan(t *testing.T) (Plan, error) {
	t.Helper()
	var faults []goldenFault
	var limits BlastRadius
	if err := yaml.UnmarshalStrict([]byte(g.file("fault.yaml")), &faults); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(g.file("limits.yaml")), &limits); err != nil {
		t.Fatal(err)
	}
	var list []Fault
	for _, f := range faults {
		list = append(list, f.fault())
	}
	cluster := payments
	if own := g.file("world.yaml"); own != "" {
		cluster = own
	}
	return planOf(t, list, limits, cluster, g.file("before.yaml"))
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

func TestGolden(t *testing.T) {
	for claim, g := range loadGolden(t) {
		t.Run(claim, func(t *testing.T) {
			plan, err := g.plan(t)
			if err != nil {
				g.expect(t, "refused.txt", err.Error()+"\n")
				g.expect(t, "after.yaml", "")
				return
			}
			after := written(plan)
			g.expect(t, "after.yaml", asYAML(t, after))
			g.expect(t, "refused.txt", "")
			notes := strings.Join(append(plan.Notes, ""), "\n")
			g.expect(t, "notes.txt", notes)
			g.expect(t, "reverted.yaml", asYAML(t, reverted(t, after, testRun)))
		})
	}
}

// TestGoldenRevertRestores holds every golden input to the promise of revert:
// what it leaves is, byte for byte, what was there.
func TestGoldenRevertRestores(t *testing.T) {
	for claim, g := range loadGolden(t) {
		t.Run(claim, func(t *testing.T) {
			plan, err := g.plan(t)
			if err != nil {
				t.Skip("refused: nothing to revert")
			}
			before := map[Ref]string{}
			for _, obj := range decode(t, g.file("before.yaml")) {
				before[refOf(obj)] = asJSON(t, obj.Object)
			}
			touched := written(plan)
			for _, obj := range reverted(t, touched, testRun) {
				if got, want := asJSON(t, obj.Object), before[refOf(obj)]; got != want {
					t.Errorf("%s:\n%s\nwant:\n%s", refOf(obj), got, want)
				}
				delete(before, refOf(obj))
			}
			for _, obj := range touched {
				if _, left := before[refOf(obj)]; left {
					t.Errorf("%s was there before and is deleted", refOf(obj))
				}
			}
		})
	}
}

// TestGoldenUserRoutesStay checks that each of the user's routes is in the
// result unchanged and in order, without the code that put clones between them.
func TestGoldenUserRoutesStay(t *testing.T) {
	for claim, g := range loadGolden(t) {
		t.Run(claim, func(t *testing.T) {
			plan, err := g.plan(t)
			if err != nil {
				t.Skip("refused: nothing is written")
			}
			for _, edit := range plan.Edits {
				if edit.Before == nil {
					continue
				}
				var users []any
				for _, route := range at[[]any](edit.After.Object, "spec", "http") {
					name := at[string](route.(object), "name")
					if !strings.HasPrefix(name, "faultline-"+testRun+"-") {
						users = append(users, route)
					}
				}
				var had []any
				for _, route := range at[[]any](edit.Before.Object, "spec", "http") {
					if !strings.HasPrefix(at[string](route.(object), "name"), "faultline-"+testRun+"-") {
						had = append(had, route)
					}
				}
				if got, want := asJSON(t, users), asJSON(t, had); got != want {
					t.Errorf("%s: user routes are\n%s\nwant\n%s", edit.Ref, got, want)
				}
			}
		})
	}
}

func TestGoldenEditsAreForTheirUntil(t *testing.T) {
	for claim, g := range loadGolden(t) {
		plan, err := g.plan(t)
		if err != nil {
			continue
		}
		for _, edit := range plan.Edits {
			m, found, err := markOf(edit.After, testRun)
			if !found || err != nil || !m.Until.Equal(testUntil.Truncate(time.Second)) || m.By != testBy {
				t.Errorf("%s: %s has mark %+v, %v, %v", claim, edit.Ref, m, found, err)
			}
		}
	}
}
