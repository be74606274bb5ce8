package injector

import (
	"math/rand/v2"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// FuzzSplice puts a fault into any VirtualService that JSON can say, and takes
// it out: either it is refused, or the object is as before in between too, less
// what was put in.
func FuzzSplice(f *testing.F) {
	for _, seed := range []string{
		paymentsRoutes,
		"{apiVersion: a/v1, kind: VirtualService, metadata: {name: x}, spec: {hosts: [x], http: [{name: faultline-7f3a-0}]}}",
		"{apiVersion: a/v1, kind: VirtualService, metadata: {name: x, labels: {}}, spec: {hosts: ['*'], http: [null, 1, {match: [{}]}]}}",
		"{apiVersion: a/v1, kind: VirtualService, metadata: {name: x, annotations: 1}, spec: {hosts: [x, y], http: [{match: [{headers: {Baggage: {}}}]}]}}",
		"{apiVersion: a/v1, kind: VirtualService, metadata: {name: x}, spec: {hosts: [x], http: [{delegate: {name: y}}, {delegate: 1}]}}",
		"{apiVersion: a/v1, kind: VirtualService, metadata: {name: x}, spec: {gateways: [1, ./public], hosts: [x], http: [{match: [{gateways: 1}]}]}}",
		"{apiVersion: a/v1, kind: VirtualService, metadata: {name: x}, spec: {hosts: [payments], http: [{headers: {response: {set: {x-faultline-run: a}}}}]}}",
	} {
		for n := range anyEffects {
			f.Add([]byte(asJSON(f, decodeOne(f, seed).Object)), n, uint8(0))
		}
	}
	for seed := range uint64(14) {
		g := generator{rand.New(rand.NewPCG(seed, 5))}
		f.Add([]byte(asJSON(f, g.virtualService().Object)), int(seed), uint8(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte, n int, scope uint8) {
		vs := &unstructured.Unstructured{}
		if vs.UnmarshalJSON(data) != nil || vs.IsList() || vs.GetKind() != kindVirtualService || vs.GetName() == "" {
			t.Skip("no API server has such an object")
		}
		if carries(vs, testRun) || isLabelled(vs) {
			t.Skip("not a user's alone")
		}
		after := spliceAnything(t, vs, testRun, anyEffects[uint(n)%uint(len(anyEffects))], scope)
		if after == nil {
			return
		}
		users := slices.DeleteFunc(slices.Clone(routesOf(after)), func(r any) bool { return belongs(r, testRun) })
		if got, want := asJSON(t, users), asJSON(t, routesOf(vs)); got != want {
			t.Errorf("user routes are\n%s\nwant\n%s", got, want)
		}
		reverted := mustWithout(t, after, testRun)
		dropEmptyMaps(vs)
		if got, want := asJSON(t, reverted.Object), asJSON(t, vs.Object); got != want {
			t.Errorf("reverted to\n%s\nwant\n%s", got, want)
		}
	})
}

// dropEmptyMaps does to obj what the API server does to every object: labels
// and annotations that are empty are not kept.
func dropEmptyMaps(obj *unstructured.Unstructured) {
	for _, field := range []string{"labels", "annotations"} {
		if entries := at[object](obj.Object, "metadata", field); len(entries) == 0 {
			unstructured.RemoveNestedField(obj.Object, "metadata", field)
		}
	}
}

// FuzzMark reads any annotation: never a panic, and what can be read can be
// written and read again as the same.
func FuzzMark(f *testing.F) {
	f.Add(`{"until":"2026-01-02T15:04:05Z","by":"a","routes":["faultline-7f3a-0"],"created":true,"sha":"x"}`)
	f.Add(`{"until":"0001-01-01T00:00:00Z"}`)
	f.Add(`{"until":"2026-01-02T15:04:05.999+23:59","by":"\u0000"}`)
	f.Add(`null`)
	f.Add(``)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMark(text)
		obj := &unstructured.Unstructured{Object: object{
			"apiVersion": virtualServices.GroupVersion().String(), "kind": kindVirtualService,
			"metadata": object{"annotations": object{annotationPrefix + testRun: text}},
		}}
		for _, l := range leftoversOn(obj) {
			if l.Run != testRun || (err != nil) != (l.Until.IsZero() && l.Note != "") {
				t.Errorf("%+v for %q, %v", l, text, err)
			}
		}
		if err != nil {
			return
		}
		if err := m.put(obj, testRun); err != nil {
			return // a time zone that JSON cannot say
		}
		again, found, err := markOf(obj, testRun)
		if !found || err != nil || !again.Until.Equal(m.Until) || again.By != m.By ||
			!slices.Equal(again.Routes, m.Routes) || again.Created != m.Created || again.SHA != m.SHA {
			t.Errorf("%+v, %v, %v; want %+v", again, found, err, m)
		}
		if after := mustWithout(t, obj, testRun); carries(after, testRun) || isLabelled(after) {
			t.Errorf("still marked: %s", asJSON(t, after.Object))
		}
	})
}
