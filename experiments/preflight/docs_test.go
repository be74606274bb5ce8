package preflight

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every rule has its section in docs/mistakes.md, and every section its rule.
func TestEveryRuleIsExplained(t *testing.T) {
	content, err := os.ReadFile("../../docs/mistakes.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	parts := regexp.MustCompile(`(?m)^### `).Split(string(content), -1)
	for _, part := range parts[1:] {
		id, text, _ := strings.Cut(part, "\n")
		if _, twice := sections[id]; twice {
			t.Errorf("two sections %s", id)
		}
		sections[id] = text
	}
	var ids []string
	for _, r := range rules() {
		ids = append(ids, r.id)
		if sections[r.id] == "" {
			t.Errorf("docs/mistakes.md has no section ### %s", r.id)
		}
	}
	for id, text := range sections {
		if !slices.Contains(ids, id) {
			t.Errorf("docs/mistakes.md has a section %s, and there is no such rule", id)
		}
		for _, part := range []string{"**What the mesh does.**", "**Instead.**"} {
			if !strings.Contains(text, part) {
				t.Errorf("section %s does not say: %s", id, part)
			}
		}
	}
	slices.Sort(ids)
	if unique := slices.Compact(slices.Clone(ids)); len(unique) != len(ids) {
		t.Errorf("an id twice: %v", ids)
	}
}
