package manifest

import (
	"reflect"
	"slices"
	"testing"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

func TestNearest(t *testing.T) {
	known := []string{"atLeast", "atMost", "on", "delay", "percent", "httpStatus", "fixed"}
	tests := []struct{ name, want string }{
		{"delays", "delay"},
		{"dealy", "delay"},
		{"DELAY", "delay"},
		{"atleast", "atLeast"},
		{"at_most", "atMost"},
		{"http_status", "httpStatus"},
		{"percentage", "percent"},
		{"fixedTime", "fixed"}, // one name within the other
		{"stat", "httpStatus"},
		{"no", ""}, // two letters of two
		{"foo", ""},
		{"o", "on"},
		{"abort", ""},
		{"", ""},
	}
	for _, test := range tests {
		if got := nearest(test.name, known); got != test.want {
			t.Errorf("nearest(%q) = %q, want %q", test.name, got, test.want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"kitten", "sitting", 3},
		{"delay", "delay", 0},
		{"delay", "dealy", 2},
		{"abc", "abd", 1},
		{"abc", "bc", 1},
	}
	for _, test := range tests {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	tests := []struct {
		name string
		want []string
	}{
		{"URL", []string{"spec.load.url", "spec.haltWhen[].promql.url"}},
		{"fixed", []string{"spec.faults[].delay.fixed", "spec.faults[].delays.steps[].fixed"}},
		{"percent", []string{
			"spec.faults[].delay.percent", "spec.faults[].delays.steps[].percent", "spec.faults[].abort.percent", "spec.faults[].blackhole.percent",
		}},
		{"colour", nil},
	}
	for _, test := range tests {
		if got := places(reflect.TypeFor[document](), "", test.name); !slices.Equal(got, test.want) {
			t.Errorf("places(%q) = %q, want %q", test.name, got, test.want)
		}
	}
}

func TestWithin(t *testing.T) {
	tests := []struct {
		path, outer string
		want        bool
	}{
		{"spec.load.url", "spec.load", true},
		{"spec.load", "spec.load", true},
		{"spec.loads", "spec.load", false},
		{"spec.faults[1]", "spec.faults", true},
		{"spec.faults[10].on", "spec.faults[1]", false},
		{"spec", "spec.load", false},
		{"spec", "", true},
	}
	for _, test := range tests {
		if got := within(test.path, test.outer); got != test.want {
			t.Errorf("within(%q, %q) = %t, want %t", test.path, test.outer, got, test.want)
		}
	}
}

// Of one cause only the first word is kept, whichever way round the fields are.
func TestConsequencesAreNotTold(t *testing.T) {
	var p problems
	p.place("spec", 4)
	p.place("spec.load", 7)
	p.add(8, "spec.load.rate", "found %q", "fast")
	p.follow("spec.load.rate", "is missing")
	p.follow("spec.load", "is empty")
	p.follow("spec.load.rate.unit", "is missing")
	p.follow("spec.load.url", "is missing")
	p.follow("spec.settle", "is negative")
	want := "f: spec.settle: is negative (line 4)\nf: spec.load.url: is missing (line 7)\nf: spec.load.rate: found \"fast\" (line 8)"
	if got := p.err("f"); got == nil || got.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", got, want)
	}
	if got := new(problems).err("f"); got != nil {
		t.Errorf("got %v, want none", got)
	}
}

// Whoever adds a kind or a field must give it what the reader leans on.
func TestWireTypesAreWhole(t *testing.T) {
	for field := range reflect.TypeFor[effects]().Fields() {
		if _, ok := reflect.TypeAssert[interface{ effect() injector.Effect }](reflect.Zero(field.Type)); !ok {
			t.Errorf("effect %s has no method effect", tagName(field))
		}
	}
	for field := range reflect.TypeFor[matchers]().Fields() {
		if _, ok := reflect.TypeAssert[interface{ matcher() experiments.Matcher }](reflect.Zero(field.Type)); !ok {
			t.Errorf("matcher %s has no method matcher", tagName(field))
		}
	}
	checkFields(t, reflect.TypeFor[document](), "document")
}

func checkFields(t *testing.T, wire reflect.Type, path string) {
	t.Helper()
	if reflect.PointerTo(wire).Implements(reflect.TypeFor[value]()) {
		return
	}
	switch wire.Kind() {
	case reflect.Pointer, reflect.Slice:
		checkFields(t, wire.Elem(), path)
	case reflect.Map:
		if wire != reflect.TypeFor[map[string]text]() {
			t.Errorf("%s: the reader knows no %s", path, wire)
		}
	case reflect.Struct:
		for field := range wire.Fields() {
			if !field.Anonymous && (tagName(field) == "" || !field.IsExported()) {
				t.Errorf("%s.%s cannot be read: it has no name, or is not exported", path, field.Name)
			}
			checkFields(t, field.Type, path+"."+tagName(field))
		}
	default:
		t.Errorf("%s: the reader knows no %s", path, wire)
	}
}
