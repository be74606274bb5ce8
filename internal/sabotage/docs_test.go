package sabotage

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const document = "../../docs/sabotage.md"

var update = flag.Bool("update", false, "write the table of docs/sabotage.md anew")

// The document has every case of the suite, and no other.
func TestTheDocumentHasEveryCase(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	const head = "| Experiment | Sabotage | What is done | Ends | Its reason has |\n|---|---|---|---|---|\n"
	before, _, found := strings.Cut(string(text), head)
	if !found {
		t.Fatalf("%s has no table that begins with\n%s", document, head)
	}
	var wanted strings.Builder
	wanted.WriteString(before + head)
	for _, c := range cases() {
		fmt.Fprintf(&wanted, "| %s | %s | %s | %s | `%s` |\n", c.honest().Name, c.name, c.does, c.want, c.words)
	}
	if *update {
		if err := os.WriteFile(document, []byte(wanted.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(wanted.String(), string(text)); diff != "" {
		t.Errorf("the table is not that of the suite; run the test with -update (-wanted +found):\n%s", diff)
	}
}

// No two cases have the same name, and each says what it is.
func TestCasesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cases() {
		if c.name == "" || c.does == "" || c.words == "" || seen[c.name] {
			t.Errorf("case %q is there twice, or lacks something: %+v", c.name, c)
		}
		seen[c.name] = true
		switch c.want {
		case "refused", "Inconclusive", "Deviated", "Halted":
		default:
			t.Errorf("case %q wants %q, which no sabotaged run may be", c.name, c.want)
		}
		if c.bend == nil && c.before == nil && c.while == nil {
			t.Errorf("case %q sabotages nothing", c.name)
		}
	}
	if len(seen) < 24 {
		t.Errorf("%d cases, want 24 or more", len(seen))
	}
}
