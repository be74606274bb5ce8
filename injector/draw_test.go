package injector

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestDraw(t *testing.T) {
	tests := map[string]struct {
		percents []float64
		want     []drawn
	}{
		"all":                             {[]float64{100}, []drawn{{0, 4096}}},
		"halves":                          {[]float64{50, 50}, []drawn{{0, 2048}, {2048, 4096}}},
		"the smallest":                    {[]float64{minDrawn}, []drawn{{0, 1}}},
		"sums that round above":           {[]float64{33.3, 33.3, 33.4}, []drawn{{0, 1364}, {1364, 2728}, {2728, 4096}}},
		"each rounds with those before":   {[]float64{0.036, 0.036, 0.036}, []drawn{{0, 1}, {1, 3}, {3, 4}}},
		"95 and 5, to the nearest":        {[]float64{95, 5}, []drawn{{0, 3891}, {3891, 4096}}},
		"a sum above by a rounding error": {[]float64{70.1, 29.9 + 1e-12}, []drawn{{0, 2871}, {2871, 4096}}},
	}
	for name, test := range tests {
		if got := draw(test.percents...); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// TestHexRange holds patterns to what they must match, number by number.
func TestHexRange(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	ranges := []drawn{{0, 1}, {0, 4096}, {4095, 4096}, {15, 17}, {255, 257}, {16, 256}, {0, 255}, {1, 4095}, {10, 16}, {0xabc, 0xabd}}
	for range 200 {
		from := random.IntN(4096)
		ranges = append(ranges, drawn{from, from + 1 + random.IntN(4096-from)})
	}
	for _, r := range ranges {
		pattern := regexp.MustCompile("^(?:" + hexRange(r.from, r.to-1, drawDigits) + ")$")
		for n := range drawSteps {
			text := fmt.Sprintf("%03x", n)
			if want := n >= r.from && n < r.to; pattern.MatchString(text) != want || pattern.MatchString(strings.ToUpper(text)) != want {
				t.Fatalf("%s for %v: %s is %t", pattern, r, text, !want)
			}
		}
	}
}

// Windows are digits of their own, and what is no UUID is in no share.
func TestDrawnPattern(t *testing.T) {
	quarter := drawn{0x400, 0x800}
	tests := []struct {
		window int
		id     string
		want   bool
	}{
		{0, "00000000-0000-4000-8000-000000000400", true},
		{0, "00000000-0000-4000-8000-0000000007ff", true},
		{0, "ABCDEFAB-CDEF-4ABC-8DEF-ABCDEFABC7FF", true},
		{0, "00000000-0000-4000-8000-000000000800", false},
		{0, "00000000-0000-4000-8000-000000400000", false},
		{1, "00000000-0000-4000-8000-000000400fff", true},
		{2, "00000000-0000-4000-8000-000400ffffff", true},
		{3, "00000000-0000-4000-8000-400fffffffff", true},
		{4, "00000000-0000-4000-8000-000000000400", true},
		{3, "00000000-0000-4000-8000-000000000400", false},
		{0, "order-400", false},
		{0, "400", false},
		{0, "", false},
		{0, "x0000000-0000-4000-8000-000000000400", false},
		{0, "00000000-0000-4000-8000-000000000400x", false},
		{0, "000000000-0000-4000-8000-000000000400", false},
	}
	for _, test := range tests {
		if got := quarter.whole(test.window).MatchString(test.id); got != test.want {
			t.Errorf("window %d, %q: %t", test.window, test.id, got)
		}
	}
}

// Every id is in exactly one share of a draw that leaves nothing.
func TestSharesAreDisjoint(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		a := random.Float64()*98 + 1
		shares := draw(a, 100-a)
		for window := range drawWindows {
			first, second := shares[0].whole(window), shares[1].whole(window)
			for range 50 {
				id := fmt.Sprintf("00000000-0000-4000-8000-%012x", random.Int64N(1<<48))
				if first.MatchString(id) == second.MatchString(id) {
					t.Fatalf("%v%%, window %d: %s is in both or in none", a, window, id)
				}
			}
		}
	}
}

func TestSignShownBy(t *testing.T) {
	id := drawn{0, 2048}.whole(0)
	const low, high = "00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000fff"
	tests := []struct {
		sign  Sign
		flags string
		id    string
		want  bool
	}{
		{Sign{Flags: []string{"FI"}}, "FI", "", true},
		{Sign{Flags: []string{"FI"}}, "DI,FI", "", true},
		{Sign{Flags: []string{"FI"}}, "DI", "", false},
		{Sign{Flags: []string{"FI"}}, "-", "", false},
		{Sign{}, "-", "", true},
		{Sign{Flags: []string{"DI"}, ID: id}, "DI", low, true},
		{Sign{Flags: []string{"DI"}, ID: id}, "DI", high, false},
		{Sign{Flags: []string{"DI"}, ID: id}, "-", low, false},
	}
	for _, test := range tests {
		if got := test.sign.ShownBy(strings.Split(test.flags, ","), test.id); got != test.want {
			t.Errorf("%+v: flags %s, id %s: %t", test.sign, test.flags, test.id, got)
		}
	}
}
