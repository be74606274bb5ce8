package injector

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestRevertFromTheJournalAlone loses the Injection, as a crash does. All that
// is left is on the objects, and another process reverts from that.
func TestRevertFromTheJournalAlone(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	before := c.content(paymentsVS)
	in := c.injector()
	orders := callerFault
	if _, err := in.Inject(t.Context(), c.plan(in, testRun, orders, upstreamFault)); err != nil {
		t.Fatal(err)
	}

	other := c.injector()
	found, err := other.Leftovers(t.Context(), "shop")
	if err != nil || len(found) != 2 {
		t.Fatalf("%v, %v; want two", found, err)
	}
	if l := found[0]; l.Ref != ourFilter || !l.Created || l.By != testBy || l.State != Live || l.Note != "" {
		t.Errorf("%+v", l)
	}
	if l := found[1]; l.Ref != paymentsVS || l.Created || len(l.Routes) != 2 || l.Note != "" {
		t.Errorf("%+v", l)
	}
	if err := other.RevertRun(t.Context(), testRun); err != nil {
		t.Fatal(err)
	}
	if c.content(paymentsVS) != before || c.get(ourFilter) != nil {
		t.Errorf("left %s, %v", c.content(paymentsVS), c.get(ourFilter))
	}
	if found, err := other.Leftovers(t.Context(), ""); err != nil || len(found) != 0 {
		t.Errorf("leftovers after the revert: %v, %v", found, err)
	}
}

func TestRevertRunUnknown(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	in := c.injector()
	if _, err := in.Inject(t.Context(), c.plan(in, testRun, callerFault)); err != nil {
		t.Fatal(err)
	}
	for _, run := range []string{"beef", ""} {
		err := in.RevertRun(t.Context(), run)
		var unknown *UnknownRunError
		if !errors.As(err, &unknown) || unknown.Run != run {
			t.Errorf("%q: %v, want an *UnknownRunError", run, err)
		}
	}
	if !carries(c.get(paymentsVS), testRun) {
		t.Error("another run was reverted")
	}
}

func TestLeftoversOn(t *testing.T) {
	const mark = `faultline.dev/run.7f3a: '{"v":1,"until":"2026-01-02T15:10:00Z","by":"ada@ci/1","routes":["faultline-7f3a-0"],"sha":"` +
		`97a59d509c45"}'`
	const label = `faultline.dev/faulted: "true"`
	const route = `{name: faultline-7f3a-0}`
	tests := map[string]struct {
		name, annotations, labels, http string
		want                            []string
	}{
		"nothing": {},
		"routes without any mark, which somebody copied": {http: route},
		"a label and nothing else": {
			labels: label,
			want:   []string{"VirtualService shop/x: no run, live (it has the label, and nothing else of a run)"},
		},
		"changed since": {
			annotations: mark, labels: label, http: route,
			want: []string{"VirtualService shop/x: run 7f3a by ada@ci/1 until 2026-01-02T15:10:00Z, live (somebody changed what was put in)"},
		},
		"routes removed since": {
			annotations: mark, labels: label,
			want: []string{`VirtualService shop/x: run 7f3a by ada@ci/1 until 2026-01-02T15:10:00Z, live ` +
				`(somebody removed or moved its routes: ["faultline-7f3a-0"] were put in)`},
		},
		"the label is gone": {
			annotations: mark, http: route,
			want: []string{"VirtualService shop/x: run 7f3a by"},
		},
		"the annotation is gone": {
			labels: label, http: route,
			want: []string{"VirtualService shop/x: run 7f3a, live (its annotation is gone)"},
		},
		"the annotation is broken": {
			annotations: "faultline.dev/run.7f3a: oops", labels: label, http: route,
			want: []string{"VirtualService shop/x: run 7f3a, live (its annotation cannot be read: invalid character 'o'"},
		},
		"another version's mark": {
			annotations: strings.Replace(mark, `"v":1`, `"v":2`, 1), labels: label, http: route,
			want: []string{"VirtualService shop/x: run 7f3a by ada@ci/1 until 2026-01-02T15:10:00Z, live " +
				"(its mark is of another version of faultline: v is 2, not 1)"},
		},
		"a mark without a version": {
			annotations: strings.Replace(mark, `"v":1,`, "", 1), labels: label, http: route,
			want: []string{"VirtualService shop/x: run 7f3a by ada@ci/1 until 2026-01-02T15:10:00Z, live " +
				"(its mark is of another version of faultline: v is 0, not 1)"},
		},
		"a mark with more in it": {
			annotations: strings.Replace(mark, `"v":1`, `"v":1,"gate":"x"`, 1), labels: label, http: route,
			want: []string{"VirtualService shop/x: run 7f3a by ada@ci/1 until 2026-01-02T15:10:00Z, live " +
				"(its mark is of another version of faultline: json: unknown field \"gate\")"},
		},
		"two runs": {
			annotations: mark, labels: label, http: route + ", {name: faultline-beef-3}",
			want: []string{"VirtualService shop/x: run 7f3a by", "VirtualService shop/x: run beef, live (its annotation is gone)"},
		},
		"one of our own without an annotation": {
			name: "faultline-beef-payments", labels: label,
			want: []string{"VirtualService shop/faultline-beef-payments: run beef, live (its annotation is gone)"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.name == "" {
				test.name = "x"
			}
			obj := decodeOne(t, fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %s, namespace: shop, annotations: {%s}, labels: {%s}}
spec: {http: [%s]}
`, test.name, test.annotations, test.labels, test.http))
			var got []string
			for _, l := range leftoversOn(obj) {
				got = append(got, l.String())
			}
			if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
				t.Errorf("%q\nwant %q", got, test.want)
			}
		})
	}
}

// TestRevertLeftoversOfEachKind reverts from what is left of broken marks.
func TestRevertLeftoversOfEachKind(t *testing.T) {
	tests := map[string]func(*unstructured.Unstructured){
		"whole": func(*unstructured.Unstructured) {},
		"broken annotation": func(obj *unstructured.Unstructured) {
			obj.SetAnnotations(map[string]string{"faultline.dev/run.7f3a": "?"})
		},
		"annotation gone":     func(obj *unstructured.Unstructured) { obj.SetAnnotations(nil) },
		"label gone":          func(obj *unstructured.Unstructured) { obj.SetLabels(nil) },
		"a run of two marked": func(obj *unstructured.Unstructured) { obj.SetLabels(map[string]string{labelFaulted: "yes"}) },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, payments, paymentsRoutes)
			before := c.content(paymentsVS)
			in := c.injector()
			if _, err := in.Inject(t.Context(), c.plan(in, testRun, callerFault, upstreamFault)); err != nil {
				t.Fatal(err)
			}
			c.change(paymentsVS, damage)
			c.change(ourFilter, damage)
			found, err := in.Leftovers(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // a second time there is nothing to do
				if err := in.RevertLeftovers(t.Context(), found); err != nil {
					t.Fatal(err)
				}
				if c.content(paymentsVS) != before || c.get(ourFilter) != nil {
					t.Errorf("left %s, %v", c.content(paymentsVS), c.get(ourFilter))
				}
			}
		})
	}
}

func TestRevertLeftoversOfALabelAlone(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	before := c.content(paymentsVS)
	c.change(paymentsVS, func(obj *unstructured.Unstructured) { obj.SetLabels(map[string]string{labelFaulted: "true"}) })
	in := c.injector()
	found, err := in.Leftovers(t.Context(), "")
	if err != nil || len(found) != 1 || found[0].Run != "" {
		t.Fatalf("%v, %v", found, err)
	}
	if err := in.RevertRun(t.Context(), ""); err == nil || len(c.writes) > 0 {
		t.Errorf("the run without a name was reverted: %v, writes %q", err, c.writes)
	}
	if err := in.RevertLeftovers(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	if got := c.content(paymentsVS); got != before {
		t.Errorf("%s\nwant %s: no user route may go with a label", got, before)
	}
}

func TestRevertLeftoversJoinsRuns(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	in := c.injector()
	for _, run := range []string{"aaaa", "bbbb"} {
		if _, err := in.Inject(t.Context(), c.plan(in, run, callerFault, upstreamFault)); err != nil {
			t.Fatal(err)
		}
	}
	found, err := in.Leftovers(t.Context(), "")
	if err != nil || len(found) != 4 {
		t.Fatalf("%v, %v; want four", found, err)
	}
	denied := apierrors.NewForbidden(envoyFilters.GroupResource(), "x", errors.New("no right"))
	c.before = func(verb, _, _ string) error {
		if verb == "delete" {
			return denied
		}
		return nil
	}
	err = in.RevertLeftovers(t.Context(), found)
	for _, run := range []string{"aaaa", "bbbb"} {
		if err == nil || !strings.Contains(err.Error(), "NOT REVERTED: run "+run) {
			t.Errorf("%v, want run %s in it", err, run)
		}
	}
	if vs := c.get(paymentsVS); carries(vs, "aaaa") || carries(vs, "bbbb") {
		t.Error("what could be reverted was not")
	}
}

func TestLeftoversSaysWhatItCannotRead(t *testing.T) {
	c := newCluster(t)
	c.before = func(string, string, string) error {
		return apierrors.NewNotFound(virtualServices.GroupResource(), "")
	}
	_, err := c.injector().Leftovers(t.Context(), "")
	for _, part := range []string{
		"list virtualservices: networking.istio.io/v1 is not served here",
		"list envoyfilters: networking.istio.io/v1alpha3 is not served here",
	} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v, want %q in it", err, part)
		}
	}
}
