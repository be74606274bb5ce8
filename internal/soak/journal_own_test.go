package soak

import (
	"os"
	"path/filepath"
	"testing"
)

// An interrupted soak goes on where it was, a cut line is no run, a false verdict
// stays one, and a finished soak is begun anew.
func TestAJournalGoesOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep", "soak.log")
	j := openJournal(t, file, 3)
	j.add(t, entry{N: 1, Verdict: "Held", Seconds: 7})
	j.add(t, entry{N: 2, Twin: true, Verdict: "Held", Seconds: 8, Report: "all of it"})
	out, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.WriteString(`{"N":3,"Verd`); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	j = openJournal(t, file, 3)
	const want = "2 runs: 2 Held, 0 Deviated, 1 false verdicts; p50 7.0s, longest 8.0s"
	if j.done() != 2 || j.sum() != want || !j.entries[1].false() || j.entries[1].Report != "all of it" {
		t.Errorf("got %+v (%s), want %s", j.entries, j.sum(), want)
	}
	if j = openJournal(t, file, 2); j.done() != 0 {
		t.Errorf("a finished soak goes on: %+v", j.entries)
	}
}

// What is false depends on which of the two ran.
func TestFalseVerdicts(t *testing.T) {
	for verdict, want := range map[string][2]bool{
		"Held": {false, true}, "Deviated": {true, false}, "Inconclusive": {true, true}, "error": {true, true},
	} {
		is := [2]bool{entry{Verdict: verdict}.false(), entry{Verdict: verdict, Twin: true}.false()}
		if is != want {
			t.Errorf("%s: false %v, want %v (as it is, twin)", verdict, is, want)
		}
	}
}
