package rights

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

func TestRules(t *testing.T) {
	all := slices.Concat(
		On("", "pods", "", "list", "get", "list"),
		On("", "services", "", "list", "get"),
		On("", "pods/log", "", "get"),
		On("x.io", "things", "b", "update", "get"),
		On("x.io", "things", "a", "get", "update"),
		On("x.io", "things", "", "get"),
		On("x.io", "things", "c", "delete"),
	)
	want := []string{
		`[]/[pods services]/[]: [get list]`,
		`[]/[pods/log]/[]: [get]`,
		`[x.io]/[things]/[]: [get]`,
		`[x.io]/[things]/[a b]: [update]`,
		`[x.io]/[things]/[c]: [delete]`,
	}
	var got []string
	for _, rule := range Rules(all) {
		got = append(got, fmt.Sprintf("%v/%v/%v: %v", rule.APIGroups, rule.Resources, rule.ResourceNames, rule.Verbs))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// Whatever the rights: the rules give them all, and nothing that is not asked.
func TestRulesGiveWhatIsAsked(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	for range 500 {
		var asked []Right
		for range random.IntN(12) {
			asked = append(asked, Right{
				Group: pick("", "x.io"), Resource: pick("pods", "things"), Verb: pick("get", "list", "update"), Name: pick("", "a", "b"),
			})
		}
		rules := Rules(asked)
		given := Of(rules)
		for _, right := range asked {
			every := right
			every.Name = ""
			if !slices.Contains(given, right) && !slices.Contains(given, every) {
				t.Fatalf("%v is not given by %v", right, rules)
			}
		}
		for _, right := range given {
			if !slices.Contains(asked, right) {
				t.Fatalf("%v is given by %v, and nobody asked", right, rules)
			}
		}
		if again := Rules(slices.Concat(given, given)); fmt.Sprint(again) != fmt.Sprint(rules) {
			t.Fatalf("%v became %v", rules, again)
		}
	}
	if rules := Rules(nil); rules != nil {
		t.Errorf("of nothing: %v", rules)
	}
	if got := Of([]rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}); len(got) != 1 || got[0].Name != "" {
		t.Errorf("got %v", got)
	}
}
