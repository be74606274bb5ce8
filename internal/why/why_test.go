package why

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/faultline-mesh/faultline/internal/bundle"
)

var update = flag.Bool("update", false, "rewrite what the golden files under testdata expect")

// Each file under testdata is a run as it was kept, and what is told of it.
func TestTexts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) < 8 {
		t.Fatalf("golden files: %d, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil || len(archive.Files) != 3 {
				t.Fatalf("want report.json, bundle.json and why.txt: %v", err)
			}
			kept := bundle.Kept{Dir: "/state/runs/49c476b4", Report: archive.Files[0].Data, Files: []string{"bundle.json", "proxies/shop_checkout-1/access.log", "proxies/shop_checkout-1/routes.json", "report.json"}}
			if err := json.Unmarshal(archive.Files[1].Data, &kept.Bundle); err != nil {
				t.Fatal(err)
			}
			got, err := Text(kept)
			if err != nil {
				t.Fatal(err)
			}
			if want := string(archive.Files[2].Data); got == want {
				return
			} else if !*update {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
				return
			}
			archive.Files[2].Data = []byte(got)
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestReportThatCannotBeRead(t *testing.T) {
	if _, err := Text(bundle.Kept{Bundle: bundle.Bundle{Run: "49c4"}, Report: []byte("{")}); err == nil || !strings.HasPrefix(err.Error(), "report of run 49c4: ") {
		t.Errorf("got %v", err)
	}
}

// causeOf is the first cause that is told of a run.
func causeOf(s seen) string {
	for _, line := range s.likely() {
		if text, ok := strings.CutPrefix(line, "1. "); ok {
			return text
		}
	}
	return ""
}

// Every cause is told of a run that shows it, and not of one that does not.
func TestEveryCauseIsFound(t *testing.T) {
	clean := func(change func(*seen)) seen {
		s := seen{}
		s.Verdict, s.Revert.Clean = "Inconclusive", true
		change(&s)
		return s
	}
	maker := func(p bundle.Proxy) func(*seen) {
		p.Name, p.Roles = "Pod shop/checkout-1", []string{"makes the fault"}
		return func(s *seen) { s.Proxies = []bundle.Proxy{p} }
	}
	because := func(reason string, more ...func(*seen)) func(*seen) {
		return func(s *seen) {
			s.Reason = reason
			for _, change := range more {
				change(s)
			}
		}
	}
	notHeld := func(text string) func(*seen) {
		return func(s *seen) {
			s.Verdict = "Deviated"
			p := phase{Load: load{Codes: map[string]int{"200": 1, "503": 9}, P99: "2s"}}
			p.Checks = append(p.Checks, struct {
				Held bool
				Open bool
				Text string
			}{Text: text})
			s.Phases = map[string]phase{"during": p, "baseline": {Load: load{P99: "10ms"}}}
		}
	}
	baseline := func(code string) func(*seen) {
		return because("the baseline was not good", func(s *seen) {
			s.Phases = map[string]phase{"baseline": {Load: load{Codes: map[string]int{code: 3}}}}
		})
	}
	tests := map[string]seen{
		"a fault may be left":                           clean(func(s *seen) { s.Revert.Clean = false }),
		"the metrics server":                            clean(because("halted: haltWhen[0] could not be asked 3 times in a row")),
		"Pod shop/checkout-1 refuses the configuration": clean(maker(bundle.Proxy{Refused: true})),
		"TLS fails at":                                  clean(maker(bundle.Proxy{Log: []string{"TLS_error: CERTIFICATE_VERIFY_FAILED"}})),
		"pods did not stay":                             clean(func(s *seen) { s.Pods.Restarted = []string{"Pod shop/a"} }),
		"routing conflict: VirtualService shop/a and VirtualService shop/b": clean(func(s *seen) {
			s.Objects = []bundle.Object{{Ref: "VirtualService shop/a", Hosts: []string{"payments"}}, {Ref: "VirtualService shop/b", Hosts: []string{"payments.shop.svc.cluster.local"}}}
		}),
		"somebody else wrote":                      clean(because("the run was not completed: evicted: x")),
		"the run was interrupted":                  clean(because("the run was not completed: interrupted by SIGINT")),
		"somebody halted the mesh":                 clean(func(s *seen) { s.Verdict = "Halted" }),
		"the services fare worse":                  clean(func(s *seen) { s.Verdict, s.Halt = "Halted", &halt{Condition: "x"} }),
		"the mesh is as bad":                       clean(because("halted: x; before anything was injected", func(s *seen) { s.Verdict, s.Halt = "Halted", &halt{Condition: "x"} })),
		"no proxy has routes":                      clean(because("no proxy is known to show the fault")),
		"Pod shop/checkout-1 has not acknowledged": clean(because("1 of 2 proxies did not show the fault", maker(bundle.Proxy{Pending: true}))),
		"istiod did not bring":                     clean(because("1 of 2 proxies did not drop the fault")),
		"no access log":                            clean(because("nothing shows that the fault fired", maker(bundle.Proxy{}))),
		"7 requests are in the logs of the proxies that make the fault, and none came to it: the header that tells the fault's requests does not arrive there, so": clean(because("nothing shows that the fault fired", maker(bundle.Proxy{Requests: 7}))),
		"the machine that sends": clean(because("the sender of the load was the bottleneck")),
		"the system was not in its steady state before any fault: 3 answers were 404":       clean(baseline("404")),
		"the system was not in its steady state before any fault: 3 requests got no answer": clean(baseline("0")),
		"the system was not in its steady state before any fault: 3 answers were 503":       clean(baseline("503")),
		"a circuit breaker overflowed":                           clean(maker(bundle.Proxy{Flags: map[string]int{"UO": 2}})),
		"connections to the service failed":                      clean(maker(bundle.Proxy{Flags: map[string]int{"UF": 2}})),
		"no host, or not so many":                                clean(notHeld("Expected at least 1 host of payments to be ejected, but none was")),
		"latency reaches whoever asks: p99 went from 10ms to 2s": clean(notHeld("Expected p99 latency to be at most 1s, but it was 2s")),
		"the failure reaches whoever asks (503 ×9)":              clean(notHeld("Expected success rate to be at least 99%, but it was 10%")),
		"the run was too short":                                  clean(because("during: too few samples to judge")),
	}
	for want, s := range tests {
		if got := causeOf(s); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := len(table()); got > len(tests) {
		t.Errorf("%d causes, and %d tests", got, len(tests))
	}
	none := clean(func(*seen) {})
	for i, looks := range table() {
		if c := looks(none); c.text != "" {
			t.Errorf("cause %d is told of a run that shows nothing: %s", i, c.text)
		}
	}
	if got := strings.Join(none.likely(), "\n"); !strings.HasPrefix(got, "no known pattern fits") {
		t.Errorf("got %q", got)
	}
}
