package injector

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// foreignEdits are what others do to a VirtualService while a run is on it.
// Each changes users' things only, by their place among users' things, so that
// it does the same with and without a run's routes between them.
var foreignEdits = map[string]func(vs *unstructured.Unstructured, n int){
	"add a route at the end": func(vs *unstructured.Unstructured, n int) {
		setRoutes(vs, append(routesOf(vs), object{"name": fmt.Sprint("end-", n), "timeout": "1s"}))
	},
	"add a route at the front": func(vs *unstructured.Unstructured, n int) {
		setRoutes(vs, append([]any{object{"name": fmt.Sprint("front-", n), "redirect": object{}}}, routesOf(vs)...))
	},
	"remove a route": func(vs *unstructured.Unstructured, n int) {
		if user := userRoute(vs, n); user != nil {
			setRoutes(vs, slices.DeleteFunc(routesOf(vs), func(r any) bool { return sameObject(r, user) }))
		}
	},
	"change a route": func(vs *unstructured.Unstructured, n int) {
		if user := userRoute(vs, n); user != nil {
			user["timeout"] = fmt.Sprint(n, "s")
		}
	},
	"set its weights": func(vs *unstructured.Unstructured, n int) {
		if user := userRoute(vs, n); user != nil {
			user["route"] = []any{object{"weight": int64(n)}, object{"weight": int64(100 - n)}}
		}
	},
	"change the hosts": func(vs *unstructured.Unstructured, n int) {
		vs.Object["spec"].(object)["hosts"] = []any{fmt.Sprint("host-", n)}
	},
	"label it": func(vs *unstructured.Unstructured, n int) {
		labels := vs.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[fmt.Sprint("label-", n)] = "x"
		vs.SetLabels(labels)
	},
	"annotate it": func(vs *unstructured.Unstructured, n int) {
		annotations := vs.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[fmt.Sprint("note-", n)] = "x"
		vs.SetAnnotations(annotations)
	},
}

// anyEffects are one of each kind that a route can have.
var anyEffects = []Effect{
	Abort{HTTPStatus: 503, Percent: 100},
	Delays{Steps: []DelayStep{{Fixed: time.Millisecond, Percent: 90}, {Fixed: time.Second, Percent: 9.9}}},
	Without{Policy: Retries},
	Without{Policy: Timeout},
	Blackhole{Percent: 100},
	Blackhole{Percent: 30},
}

func routesOf(vs *unstructured.Unstructured) []any { return at[[]any](vs.Object, "spec", "http") }

func setRoutes(vs *unstructured.Unstructured, routes []any) {
	vs.Object["spec"].(object)["http"] = routes
}

// userRoute returns the n-th route that is no run's, counting round and round.
func userRoute(vs *unstructured.Unstructured, n int) object {
	users := slices.DeleteFunc(slices.Clone(routesOf(vs)), func(r any) bool {
		return routeRun(r) != "" && at[string](r.(object), "headers", "response", "set", HeaderRun) != ""
	})
	if len(users) == 0 {
		return nil
	}
	return users[n%len(users)].(object)
}

func sameObject(a any, b object) bool { return fmt.Sprintf("%p", a) == fmt.Sprintf("%p", b) }

func foreignEditNames() []string { return slices.Sorted(maps.Keys(foreignEdits)) }

// TestForeignEditsSurvive makes random edits, and other runs come and go, in
// any order around a run; reverting leaves what the edits alone would have.
func TestForeignEditsSurvive(t *testing.T) {
	names := foreignEditNames()
	files := loadGolden(t)
	for claim, g := range files {
		for _, start := range decode(t, g.file("before.yaml")) {
			if carries(start, "beef") || len(routesOf(start)) == 0 {
				continue // its other run would take part in the edits
			}
			t.Run(claim+"/"+start.GetName(), func(t *testing.T) {
				for seed := range uint64(50) {
					foreignEditsSurvive(t, start, names, rand.New(rand.NewPCG(seed, 1)))
				}
			})
		}
	}
}

func foreignEditsSurvive(t *testing.T, start *unstructured.Unstructured, names []string, random *rand.Rand) {
	t.Helper()
	live, want := start.DeepCopy(), start.DeepCopy()
	var log []string
	runs := map[string]bool{}
	for range 12 {
		n := random.IntN(50)
		switch random.IntN(3) {
		case 0:
			run := []string{"aaaa", "bbbb", "cccc"}[n%3]
			if runs[run] {
				live = mustWithout(t, live, run)
			} else if edited := spliceAnything(t, live, run, anyEffects[random.IntN(len(anyEffects))], uint8(n)); edited != nil {
				live = edited
			} else {
				continue
			}
			runs[run] = !runs[run]
			log = append(log, "run "+run)
		default:
			name := names[n%len(names)]
			foreignEdits[name](live, n)
			foreignEdits[name](want, n)
			log = append(log, name)
		}
	}
	for run, there := range runs {
		if there {
			live = mustWithout(t, live, run)
		}
	}
	if got, want := asJSON(t, live.Object), asJSON(t, want.Object); got != want {
		t.Fatalf("after %q\n%s\nwant\n%s", log, got, want)
	}
}

func mustWithout(tb testing.TB, obj *unstructured.Unstructured, run string) *unstructured.Unstructured {
	tb.Helper()
	after, err := without(obj, run)
	if err != nil {
		tb.Fatal(err)
	}
	return after
}

// spliceAnything puts a fault of run into vs on whatever its first host is, for
// requests and callers that scope picks, or returns nil when that is refused.
func spliceAnything(tb testing.TB, vs *unstructured.Unstructured, run string, effect Effect, scope uint8) *unstructured.Unstructured {
	tb.Helper()
	hosts := stringsAt(vs.Object, "spec", "hosts")
	if len(hosts) == 0 {
		return nil
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(hosts[0], "*."), ".")
	before := runtime.DeepCopyJSON(vs.Object)
	s := splice{
		on: Service{Namespace: vs.GetNamespace(), Name: name}, domain: DefaultClusterDomain,
		effect: effect, spot: spot{run: run, port: 80, site: Caller}, run: run, mark: newMark(testUntil, testBy), manyPorts: scope&1 > 0,
		children: delegates([]*unstructured.Unstructured{vs}),
	}
	switch scope % 7 {
	case 1:
		s.allTraffic = true
	case 2:
		s.headers = map[string]string{"x-user": "ada", "end-user": "jason"}
	case 3:
		s.from = Callers{Namespace: "shop", Labels: map[string]string{"app": "checkout"}}
	case 4:
		s.from.Gateway = vs.GetNamespace() + "/public"
		s.gateway = decodeOne(tb, "{apiVersion: v1, kind: Gateway, metadata: {name: public}, spec: {servers: [{hosts: ['*']}]}}")
	case 5:
		s.on.Port, s.ports = 80, []int64{80}
	}
	after, names, err := s.into(vs)
	if asJSON(tb, vs.Object) != asJSON(tb, before) {
		tb.Errorf("splicing changed the object it was given")
	}
	if err != nil {
		return nil
	}
	if len(names) == 0 || !carries(after, run) {
		tb.Errorf("spliced, but there is no route of the run")
	}
	return after
}
