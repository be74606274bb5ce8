package preflight

import (
	"strings"
	"testing"

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
