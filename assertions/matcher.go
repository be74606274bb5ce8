package assertions

import (
	"fmt"
	"reflect"

	"github.com/onsi/gomega/format"
	"github.com/onsi/gomega/types"

	"github.com/faultline-mesh/faultline/internal/claim"
	"github.com/faultline-mesh/faultline/internal/stats"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

// matcher is what every matcher of this package is: a claim and a way to judge
// it. It keeps nothing of what it judges, so one value may be used for several
// phases, also at once.
type matcher struct {
	text  string      // "p99 latency at most 800ms"
	about claim.Claim // the same, to be reasoned about
	judge func(actual any) (finding, error)
}

// finding is a judgement and the texts that may be needed for it.
type finding struct {
	holds    bool
	failure  string // first line when the claim should hold
	negated  string // first line when it should not
	evidence string // one line: what it was judged by
	measured string // what was found, as short as can be: "989ms"
}

var _ types.GomegaMatcher = (*matcher)(nil)

// Match reports whether the claim holds of actual. The error says that the
// matcher was misused or, see [NoSamples], that there is nothing to judge by.
func (m *matcher) Match(actual any) (bool, error) {
	found, err := m.judge(actual)
	return err == nil && found.holds, err
}

// FailureMessage says why the claim does not hold of actual.
func (m *matcher) FailureMessage(actual any) string {
	return m.message(actual, func(f finding) string { return f.failure })
}

// NegatedFailureMessage says why the claim should not have held of actual.
func (m *matcher) NegatedFailureMessage(actual any) string {
	return m.message(actual, func(f finding) string { return f.negated })
}

// Measured returns what the claim was judged by, as short as can be, for lists of
// what was asserted; nothing when there is nothing to judge by.
func (m *matcher) Measured(actual any) string {
	found, err := m.judge(actual)
	if err != nil {
		return "" // Match tells it
	}
	return found.measured
}

// String returns the claim, for lists of what was asserted.
func (m *matcher) String() string { return m.text }

// Claim returns what is asserted, for those who look at it before anything was
// measured, with the samples it needs when one of a million right claims may be
// called wrong.
func (m *matcher) Claim() claim.Claim {
	about := m.about
	about.Samples = about.Needed(stats.DefaultAlpha)
	return about
}

func (m *matcher) message(actual any, headline func(finding) string) string {
	found, err := m.judge(actual)
	if err != nil {
		return err.Error()
	}
	return headline(found) + "\n" + format.IndentString(found.evidence, 1)
}

// loadOf returns the load result that actual holds. The error names the matcher.
func loadOf(name string, actual any) (loadgen.Result, error) {
	source, ok := actual.(interface{ LoadResult() loadgen.Result })
	if !ok || isNil(actual) {
		return loadgen.Result{}, fmt.Errorf("%s needs a value with LoadResult(), as a loadgen.Result, not %s", name, typeOf(actual))
	}
	return source.LoadResult(), nil
}

// requestsOf is loadOf for matchers that can say nothing without requests.
func requestsOf(name string, actual any) (loadgen.Result, error) {
	result, err := loadOf(name, actual)
	if err == nil && result.Requests() == 0 {
		err = noSamples(name, "no requests were sent, or none ended")
	}
	return result, err
}

// changeOf returns the mesh change that actual holds. The error names the matcher.
func changeOf(name string, actual any) (observe.Change, error) {
	source, ok := actual.(interface{ MeshChange() observe.Change })
	if !ok || isNil(actual) {
		return observe.Change{}, fmt.Errorf("%s needs a value with MeshChange(), as an observe.Change, not %s", name, typeOf(actual))
	}
	return source.MeshChange(), nil
}

// isNil reports whether actual is a nil pointer, of which no method may be called.
func isNil(actual any) bool {
	value := reflect.ValueOf(actual)
	return value.Kind() == reflect.Pointer && value.IsNil()
}

func typeOf(actual any) string {
	if actual == nil {
		return "nil"
	}
	if isNil(actual) {
		return fmt.Sprintf("a nil %T", actual)
	}
	return fmt.Sprintf("%T", actual)
}
