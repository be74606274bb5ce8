package injector

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestEveryByteOfAMark truncates the mark at each byte, and changes and removes
// each one, on an object of a user's and on those that a run creates. The run is
// found all the same, its note says when the mark cannot be read, and reverting
// leaves nothing.
func TestEveryByteOfAMark(t *testing.T) {
	bare := strings.ReplaceAll(payments, "payments", "bare")
	onBare := callerFault
	onBare.On.Name = "bare"
	plan, err := planOf(t, []Fault{callerFault, onBare, upstreamFault}, BlastRadius{}, payments, bare, paymentsRoutes)
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, edit := range plan.Edits {
		text := edit.After.GetAnnotations()[annotationPrefix+testRun]
		for n := range len(text) {
			broken := []string{text[:n], text[:n] + text[n+1:]}
			for _, c := range []string{"x", `"`, "0", "{", "\x00", "é"} {
				broken = append(broken, text[:n]+c+text[n+1:])
			}
			for _, annotation := range broken {
				revertsWithMark(t, edit, annotation)
				tried++
			}
		}
	}
	t.Logf("%d broken marks", tried)
}

func revertsWithMark(t *testing.T, edit Edit, annotation string) {
	t.Helper()
	live := edit.After.DeepCopy()
	if err := unstructured.SetNestedField(live.Object, annotation, "metadata", "annotations", annotationPrefix+testRun); err != nil {
		t.Fatal(err)
	}
	found := leftoversOn(live)
	if len(found) != 1 || found[0].Run != testRun || !slices.Equal(found[0].Routes, edit.Routes) {
		t.Fatalf("%s with the mark %q: found %v", edit.Ref, annotation, found)
	}
	if _, err := parseMark(annotation); err != nil && !strings.Contains(found[0].Note, "its annotation cannot be read") {
		t.Errorf("%s with the mark %q: the note is %q", edit.Ref, annotation, found[0].Note)
	}
	if edit.Before == nil {
		if !carries(live, testRun) || !isWhole(live, testRun) {
			t.Errorf("%s with the mark %q would not be deleted", edit.Ref, annotation)
		}
		return
	}
	if got, want := asJSON(t, mustWithout(t, live, testRun).Object), asJSON(t, edit.Before.Object); got != want {
		t.Errorf("%s with the mark %q reverts to\n%s\nwant\n%s", edit.Ref, annotation, got, want)
	}
}

// TestMarksThatSomebodyDeleted takes the annotations off an object with two runs:
// reverting one must not hide the other.
func TestMarksThatSomebodyDeleted(t *testing.T) {
	start, abort := decodeOne(t, paymentsRoutes), Abort{HTTPStatus: 503, Percent: 100}
	live := spliceAnything(t, spliceAnything(t, start, "aaaa", abort, 0), "bbbb", abort, 0)
	live.SetAnnotations(start.GetAnnotations())
	live = mustWithout(t, live, "aaaa")
	found := leftoversOn(live)
	if len(found) != 1 || found[0].Run != "bbbb" {
		t.Fatalf("found %v, want run bbbb", found)
	}
	if got, want := asJSON(t, mustWithout(t, live, "bbbb").Object), asJSON(t, start.Object); got != want {
		t.Errorf("reverts to\n%s\nwant\n%s", got, want)
	}
}
