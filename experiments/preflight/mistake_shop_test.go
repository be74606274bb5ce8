package preflight

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/claim"
)

// The shop is an example to follow: plan finds no mistakes in it, and gives advice.
func TestTheShopHasNoMistakes(t *testing.T) {
	files, err := filepath.Glob("../../examples/shop/mesh/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	var documents []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, string(content))
	}
	q := Question{Faults: []injector.Fault{abort(injector.Upstream, 503, 100, 1)}}
	entering(&q)
	for _, service := range []string{"recommendations", "inventory", "checkout"} {
		q.Claims = append(q.Claims, during(claim.Claim{Kind: claim.Tries, Service: service}))
	}
	result := Check(q, worldOf(t, strings.Join(documents, "\n---\n")+"\n---\n"+strings.Split(ingress, "\n---")[0]))
	var got []string
	for _, f := range result.Findings {
		got = append(got, f.Rule)
	}
	if want := "advice-timeout"; strings.Join(got, ",") != want {
		t.Errorf("found %v, want %s\n%v", got, want, result.Findings)
	}
	if len(result.Hops) != 5 {
		t.Errorf("found %d hops: %v", len(result.Hops), result.Hops)
	}
}
