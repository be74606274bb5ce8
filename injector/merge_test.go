package injector

import (
	"strings"
	"testing"
	"time"
)

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
