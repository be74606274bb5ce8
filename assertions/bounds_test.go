package assertions_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/onsi/gomega"

	. "github.com/faultline-mesh/faultline/assertions"
)

func TestBoundsOnTheirOwn(t *testing.T) {
	run(t, []check{
		// happy
		{name: "at least, more", actual: 4, matcher: AtLeast(3)},
		{name: "at least, equal", actual: 3, matcher: AtLeast(3)},
		{name: "at most, less", actual: 2, matcher: AtMost(3)},
		{name: "at most, equal", actual: 3, matcher: AtMost(3)},
		{name: "count against ratio", actual: 3, matcher: AtMost(3.5)},
		{name: "ratio against count", actual: 3.5, matcher: AtLeast(3)},
		{name: "other number types", actual: uint64(3), matcher: AtLeast(3)},
		{name: "duration", actual: time.Second, matcher: AtMost(time.Second)},
		{name: "infinity", actual: math.Inf(1), matcher: AtLeast(3)},
		// sad
		{name: "too few", actual: 2, matcher: AtLeast(3), want: "Expected 2 to be at least 3"},
		{name: "too many", actual: 3.25, matcher: AtMost(3), want: "Expected 3.25 to be at most 3"},
		{name: "too long", actual: 989 * time.Millisecond, matcher: AtMost(800 * time.Millisecond), want: "Expected 989ms to be at most 800ms"},
		{name: "not at least", not: true, actual: 4, matcher: AtLeast(3), want: "Expected 4 not to be at least 3"},
		{name: "not at most", not: true, actual: 2.5, matcher: AtMost(3.5), want: "Expected 2.5 not to be at most 3.5"},
		// misuse
		{name: "number for duration", actual: 989, matcher: AtMost(time.Second), want: "AtMost(1s) needs a time.Duration to compare with, not the int 989"},
		{name: "duration for number", actual: time.Second, matcher: AtLeast(1), want: "AtLeast(1) needs a number to compare with, not the time.Duration 1s"},
		{name: "text", actual: "3", matcher: AtLeast(3), want: "AtLeast(3) needs a number to compare with, not string"},
		{name: "nothing", actual: nil, matcher: AtLeast(3), want: "AtLeast(3) needs a number to compare with, not nil"},
		{name: "NaN", actual: math.NaN(), matcher: AtLeast(3), want: "AtLeast(3) cannot be compared with NaN: NaN is not a number"},
		{name: "limit NaN", actual: 3, matcher: AtMost(math.NaN()), want: "AtMost(NaN) cannot be compared with 3: NaN is not a number"},
	})
}

// What any matcher with a bound does with it is tested here, the rest with each.
func TestBoundsOfMatchers(t *testing.T) {
	const evidence = "\n    1000 requests, 50.0% ok (200 ×500, 503 ×500), p50 499ms, p99 989ms"
	r := slow()
	run(t, []check{
		// gomega's own matchers
		{name: "number holds", actual: r, matcher: HaveSuccessRate(gomega.BeNumerically("~", 0.5, 0.01))},
		{name: "duration holds", actual: r, matcher: HaveLatency(P99, gomega.BeNumerically("<", time.Second))},
		{
			name: "number fails", actual: r, matcher: HaveSuccessRate(gomega.BeNumerically(">", 0.9)),
			want: "Expected success rate to satisfy its matcher, but it was 50%\n" +
				"    Expected\n        <float64>: 0.5\n    to be >\n        <float64>: 0.9" + evidence,
		},
		{
			name: "number holds and should not", not: true, actual: r, matcher: HaveSuccessRate(gomega.Equal(0.5)),
			want: "Expected success rate not to satisfy its matcher, but it was 50%\n" +
				"    Expected\n        <float64>: 0.5\n    not to equal\n        <float64>: 0.5" + evidence,
		},
		{
			// And has no text for having failed when it has not.
			name: "combination", not: true, actual: r, matcher: HaveLatency(P99, gomega.And(AtLeast(time.Millisecond), AtMost(time.Second))),
			want: "Expected p99 latency not to satisfy its matcher, but it was 989ms\n" +
				"    Expected\n        <time.Duration>: 989000000\n    To not satisfy all of these matchers: [AtLeast(1ms) AtMost(1s)]" + evidence,
		},
		{
			name: "their misuse", actual: r, matcher: HaveSuccessRate(gomega.HaveLen(3)),
			want: "HaveSuccessRate: HaveLen matcher expects a string/array/map/channel/slice/iterator.  Got:\n    <float64>: 0.5",
		},
		// what can be no bound
		{
			name: "a number", actual: r, matcher: HaveSuccessRate(0.99),
			want: "HaveSuccessRate takes AtLeast(x), AtMost(x) or another gomega matcher as its bound, not the float64 0.99",
		},
		{
			name: "a duration", actual: r, matcher: HaveLatency(P99, time.Second),
			want: "HaveLatency takes AtLeast(x), AtMost(x) or another gomega matcher as its bound, not the time.Duration 1s",
		},
		{
			name: "nothing", actual: r, matcher: HaveSuccessRate(nil),
			want: "HaveSuccessRate takes AtLeast(x), AtMost(x) or another gomega matcher as its bound, not nil",
		},
		{
			name: "percent for a share", actual: r, matcher: HaveSuccessRate(AtLeast(99)),
			want: "HaveSuccessRate takes a bound from 0 to 1, as AtLeast(0.99) for 99%, not AtLeast(99)",
		},
		{
			name: "negative share", actual: r, matcher: HaveStatus(503, AtMost(-0.1)),
			want: "HaveStatus takes a bound from 0 to 1, as AtLeast(0.99) for 99%, not AtMost(-0.1)",
		},
		{
			name: "NaN for a share", actual: r, matcher: HaveSuccessRate(AtLeast(math.NaN())),
			want: "HaveSuccessRate takes a bound from 0 to 1, as AtLeast(0.99) for 99%, not AtLeast(NaN)",
		},
		{
			name: "duration for a share", actual: r, matcher: HaveSuccessRate(AtMost(time.Second)),
			want: "HaveSuccessRate takes a bound from 0 to 1, as AtLeast(0.99) for 99%, not AtMost(1s)",
		},
		{
			name: "number for a duration", actual: r, matcher: HaveLatency(P99, AtMost(800)),
			want: "HaveLatency takes a time.Duration as its bound, as AtMost(800*time.Millisecond), not AtMost(800)",
		},
		{
			name: "duration for a count", actual: change(), matcher: HaveEjected("payments", AtMost(time.Second)),
			want: "HaveEjected takes a number as its bound, as AtLeast(1), not AtMost(1s)",
		},
		{
			name: "NaN for a ratio", actual: &phase{}, matcher: HaveTries("payments", AtMost(math.NaN())),
			want: "HaveTries takes a number as its bound, as AtLeast(1), not AtMost(NaN)",
		},
		// misuse comes before the lack of samples
		{
			name: "no samples either", matcher: HaveSuccessRate(AtLeast(99)), actual: load(0),
			want: "HaveSuccessRate takes a bound from 0 to 1, as AtLeast(0.99) for 99%, not AtLeast(99)",
		},
	})
}

// A rounded figure must not contradict the verdict it explains.
func TestFiguresAreRoundedWithinTheirVerdict(t *testing.T) {
	failing := func(k, n int) func() any {
		return func() any {
			r := load(n, 200)
			for i := range k {
				r.Samples[i].Code = 503
			}
			return r
		}
	}
	oneOf := func(n int) func() any { return failing(1, n) }
	twoOf := func(n int) func() any { return failing(2, n) }
	lasting := func(d time.Duration) func() any {
		return func() any {
			r := load(1, 200)
			r.Samples[0].Latency = d
			return r
		}
	}
	const failed, held = "Expected success rate to be ", "Expected success rate not to be "
	tests := []struct {
		actual  func() any
		matcher interface {
			FailureMessage(actual any) string
			NegatedFailureMessage(actual any) string
		}
		holds bool
		want  string // first line
	}{
		{twoOf(6), HaveSuccessRate(AtLeast(0.8)), false, failed + "at least 80%, but it was 66.7%"},
		{twoOf(2001), HaveSuccessRate(AtLeast(0.9991)), false, failed + "at least 99.91%, but it was 99.9%"},
		{twoOf(1998), HaveSuccessRate(AtLeast(0.999)), false, failed + "at least 99.9%, but it was 99.8999%"},
		{oneOf(20_000), HaveSuccessRate(AtLeast(1)), false, failed + "at least 100%, but it was 99.995%"},
		{oneOf(20_000), HaveSuccessRate(AtLeast(0.5)), true, held + "at least 50%, but it was 99.995%"},
		{lasting(800_400 * time.Microsecond), HaveLatency(Max, AtMost(800*time.Millisecond)), false, "Expected max latency to be at most 800ms, but it was 800.4ms"},
		{lasting(1234567891), HaveLatency(Max, AtMost(800*time.Millisecond)), false, "Expected max latency to be at most 800ms, but it was 1.23s"},
		{lasting(1), HaveLatency(Max, AtLeast(time.Second)), false, "Expected max latency to be at least 1s, but it was 1ns"},
	}
	for _, test := range tests {
		actual := test.actual()
		message := test.matcher.FailureMessage(actual)
		if test.holds {
			message = test.matcher.NegatedFailureMessage(actual)
		}
		if want := fmt.Sprintf("%s\n    %s", test.want, actual); message != want {
			t.Errorf("got  %q\nwant %q", message, want)
		}
	}
}
