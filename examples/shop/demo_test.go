package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pretend is a faultline that logs its arguments and does as it is told by the
// environment: exit codes for its verbs, and leftovers to print.
const pretend = `#!/bin/bash
echo "$@" >>"$LOG"
case "$1 $2" in
"mesh up") exit ${UP:-0} ;;
"mesh down") exit ${DOWN:-0} ;;
esac
case "$*" in
leftovers) printf "$LEFT" ;;
*inventory-has-no-fallback.yaml) exit ${DEVIATED:-1} ;;
*) exit ${HELD:-0} ;;
esac
`

func TestDemo(t *testing.T) {
	all := []string{"mesh up", "run", "run", "leftovers", "mesh down"}
	for name, tc := range map[string]struct {
		env   string
		calls []string
		says  string // where the demo fails
	}{
		"as told":                        {calls: all},
		"an experiment deviates":         {env: "HELD=1", calls: all, says: "exit code 1, expected 0: "},
		"the last one holds":             {env: "DEVIATED=0", calls: all, says: "exit code 0, expected 1: "},
		"the last one is not reverted":   {env: "DEVIATED=4", calls: all, says: "exit code 4, expected 1: "},
		"a fault is left behind":         {env: `LEFT=VirtualService shop/payments\n`, calls: all, says: "faults were left behind"},
		"the mesh does not come up":      {env: "UP=2", calls: []string{"mesh up", "mesh down"}, says: "exit code 2, expected 0: "},
		"the mesh does not go down":      {env: "DOWN=1", calls: all, says: "mesh down --dir"},
		"the mesh is gone in the middle": {env: "HELD=5", calls: all, says: "exit code 5, expected 0: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "faultline", pretend)
			write(t, dir, "a.yaml", "")
			write(t, dir, "inventory-has-no-fallback.yaml", "")
			command := exec.CommandContext(t.Context(), "./demo.sh")
			command.Env = append(os.Environ(), "FAULTLINE="+filepath.Join(dir, "faultline"), "EXPERIMENTS="+dir,
				"LOG="+filepath.Join(dir, "log"), "TMPDIR="+dir, tc.env)
			out, err := command.CombinedOutput()
			if (err == nil) != (tc.says == "") || !strings.Contains(string(out), tc.says) {
				t.Errorf("ended with %v; want an end that says %q; output:\n%s", err, tc.says, out)
			}
			log, err := os.ReadFile(filepath.Join(dir, "log"))
			if err != nil {
				t.Fatal(err)
			}
			calls := strings.Split(strings.TrimSpace(string(log)), "\n")
			if len(calls) != len(tc.calls) {
				t.Fatalf("faultline was called with\n%s\nwant %q", log, tc.calls)
			}
			for i, call := range calls {
				if !strings.HasPrefix(call, tc.calls[i]) {
					t.Errorf("call %d is %q, want %q", i, call, tc.calls[i])
				}
			}
			kept, err := filepath.Glob(filepath.Join(dir, "faultline-demo.*"))
			if err != nil || (len(kept) > 0) != (tc.says != "") {
				t.Errorf("mesh directories left: %v (%v); want one only after a failure", kept, err)
			}
		})
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}
