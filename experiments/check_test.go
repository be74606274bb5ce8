package experiments

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	tests := []struct {
		name    string
		matcher Matcher
		want    Check
	}{
		{"held, with a claim", named(says{ok: true}, "success rate at least 99%"), Check{Held: true, Text: "success rate at least 99%"}},
		{"held, without", says{ok: true}, Check{Held: true, Text: "Expected not what was wanted, but it was"}},
		{"held, with a figure", measuring{named(says{ok: true}, "success rate at least 99%")}, Check{Held: true, Text: "success rate at least 99%: 100%"}},
		{"held, with no figure to tell", measuring{says{ok: true}}, Check{Held: true, Text: "Expected not what was wanted, but it was"}},
		{"not held, with a figure", measuring{named(says{}, "success rate at least 99%")}, Check{Text: "Expected what was wanted, but it was not"}},
		{"not held", named(says{}, "success rate at least 99%"), Check{Text: "Expected what was wanted, but it was not"}},
		{"no samples", says{err: noSamples(true)}, Check{NoSamples: true, Text: "HaveX has no samples: none were sent"}},
		{
			"no samples, wrapped",
			says{err: fmt.Errorf("steadyState: %w", noSamples(true))},
			Check{NoSamples: true, Text: "steadyState: HaveX has no samples: none were sent"},
		},
		{"an error that says there were samples", says{err: noSamples(false)}, Check{misused: true, Text: "HaveX has no samples: none were sent"}},
		{"misused", says{err: errMisuse}, Check{misused: true, Text: errMisuse.Error()}},
		{"misused, though it says that it matches", says{ok: true, err: errMisuse}, Check{misused: true, Text: errMisuse.Error()}},
		{"no samples, though it says that it matches", says{ok: true, err: noSamples(true)}, Check{NoSamples: true, Text: noSamples(true).Error()}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := check(test.matcher, Phase{}); got != test.want {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// measuring is a matcher that says what it found, if it says what it claims.
type measuring struct{ Matcher }

func (m measuring) Measured(any) string {
	if _, ok := m.Matcher.(claimed); ok {
		return "100%"
	}
	return ""
}

func (m measuring) String() string { return wanted(m.Matcher, Phase{}) }

// Matchers are asked about the phase itself, all of them, in their order.
func TestChecksAskEveryMatcher(t *testing.T) {
	var asked []string
	matcher := func(name string) Matcher {
		return matches(func(actual any) (bool, error) {
			phase, ok := actual.(Phase)
			if !ok || phase.LoadResult().Requests() != 4 || phase.MeshChange().To != began {
				return false, errors.New("this is not the phase")
			}
			asked = append(asked, name)
			return true, nil
		})
	}
	phase := Phase{Load: answers(4, 200)}
	phase.Mesh.To = began
	all := checks([][]Matcher{{matcher("a"), matcher("b")}, nil, {matcher("c")}}, phase)
	if len(all) != 3 || !all[0].Held || !all[1].Held || !all[2].Held {
		t.Errorf("got %+v", all)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
