package sabotage

import (
	"math"
	"net/http"

	"github.com/onsi/gomega"

	. "github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// doubtCases are those in which the question or the proof is not what it seems.
func doubtCases() []sabotage {
	steady := func(matchers ...experiments.Matcher) func(*scene, *experiments.Experiment) {
		return func(_ *scene, e *experiments.Experiment) { e.SteadyState = append(e.SteadyState, matchers...) }
	}
	return []sabotage{
		{
			name: "assertion with no data", does: "ejections of a service that nobody calls are asserted to be none",
			honest: slowBack, bend: steady(HaveEjected("spare", AtMost(0))),
			want: "Inconclusive", words: "no proxy sent a request to spare",
		},
		{
			name: "assertion about nobody", does: "the asserted service's name is misspelt",
			honest: slowBack, bend: steady(HaveTries("front-end", AtMost(1.5))),
			want: "Inconclusive", words: "front-end",
		},
		{
			name: "negated assertion with no data", does: "it is asserted that the ejections of nobody are not many",
			honest: slowBack, bend: steady(gomega.Not(HaveEjected("spare", AtLeast(1)))),
			want: "Inconclusive", words: "no proxy sent a request to spare",
		},
		{
			name: "bound that is no number", does: "the success rate is asserted to be at most NaN",
			honest: slowBack, bend: steady(HaveSuccessRate(AtMost(math.NaN()))),
			want: "Inconclusive", words: "NaN",
		},
		{
			name: "negated bound that is no number", does: "the success rate is asserted not to be at least NaN",
			honest: slowBack, bend: steady(gomega.Not(HaveSuccessRate(AtLeast(math.NaN())))),
			want: "Inconclusive", words: "NaN",
		},
		{
			name: "halted mesh", does: "somebody has said faultline halt",
			honest: slowBack, before: func(s *scene) {
				in, err := injector.New(cluster)
				if err != nil {
					s.Fatal(err)
				}
				if err := in.Halt(s.ctx, "lab"); err != nil {
					s.Fatal(err)
				}
				s.undo = append(s.undo, func() {
					if err := in.Release(s.ctx, "lab"); err != nil {
						s.Error(err)
					}
				})
			},
			want: "Halted", words: "halted",
		},
		{
			name: "clocks differ", does: "the proxies' clocks are an hour behind",
			honest: slowBack, before: func(s *scene) {
				s.between = func(next http.RoundTripper) http.RoundTripper { return backdated{next} }
			},
			want: "Inconclusive", words: "nothing shows that the fault fired",
		},
		{
			name: "somebody else's fault", does: "another fault of the same kind is on the pods, and ours never fires",
			honest: abortedBack, before: func(s *scene) {
				s.create(theirs)
				s.done("back", "sabotage-theirs")
				s.rewrite("/deaf")
			},
			want: "Inconclusive", words: "were hit in the same way",
		},
	}
}
