package preflight

import (
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

// mistakeCase is a mesh, and what a rule finds in it when payments is faulted at
// the upstream site.
type mistakeCase struct {
	name    string
	objects []string        // beside those of shopWorld
	change  func(*Question) // unless nil
	want    string          // all that the rule finds, one finding a line; empty: nothing
}

func tryMistakes(t *testing.T, id string, cases []mistakeCase) {
	t.Helper()
	found := false
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			q := Question{Faults: []injector.Fault{abort(injector.Upstream, 503, 100, 1)}}
			if test.change != nil {
				test.change(&q)
			}
			if got := text(id, q, shopWorld(t, test.objects...)); got != test.want {
				t.Errorf("found\n%s\nwant\n%s", got, test.want)
			}
		})
		found = found || test.want != ""
	}
	if !found {
		t.Errorf("no case in which %s finds something", id)
	}
}

// inWeb moves a document to the namespace web.
func inWeb(document string) string {
	return strings.ReplaceAll(document, "namespace: shop", "namespace: web")
}

// What a refusal says is not said once more by a warning about the same object.
func TestAMistakeIsNotSaidTwice(t *testing.T) {
	fault := []injector.Fault{abort(injector.Upstream, 503, 100, 0)}
	slow := []injector.Fault{delayed(injector.Upstream, 20*time.Second)}
	for _, test := range []struct {
		mistake, refusal string
		faults           []injector.Fault
		claim            Claimed
		object           string
	}{
		{"ejection-of-nobody", "ejection-impossible", fault, ejected(1), outlier("consecutive5xxErrors: 5")},
		{"last-try-never-ends", "tries-do-not-fit", slow, tried(4), virtualServiceYAML("payments", "timeout: 30s\nretries: {attempts: 3, perTryTimeout: 10s, retryOn: 5xx}")},
		{"retries-miss-http-errors", "retry-not-covered", fault, tried(2), virtualServiceYAML("payments", "retries: {attempts: 3}")},
		{"retry-on-no-status", "retry-not-covered", fault, tried(2), virtualServiceYAML("payments", "retries: {attempts: 3, retryOn: connect-failure}")},
		{"per-try-timeout-cuts-all", "retry-not-covered", slow, tried(2), virtualServiceYAML("payments", "retries: {attempts: 3, perTryTimeout: 1s, retryOn: connect-failure}")},
	} {
		t.Run(test.mistake, func(t *testing.T) {
			asks := ruleCase{faults: test.faults, claims: []Claimed{test.claim}}.question()
			w := shopWorld(t, test.object)
			if text(test.refusal, asks, w) == "" || text(test.mistake, asks, w) != "" {
				t.Errorf("with the claim: refusal %q, mistake %q", text(test.refusal, asks, w), text(test.mistake, asks, w))
			}
			if asks.Claims = nil; text(test.mistake, asks, w) == "" {
				t.Error("without the claim there is no mistake")
			}
		})
	}
	if advised := text("advice-outlier-detection", ruleCase{faults: fault, claims: []Claimed{ejected(1)}}.question(), shopWorld(t)); advised != "" {
		t.Errorf("beside ejection-missing: %s", advised)
	}
}
