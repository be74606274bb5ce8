package corpus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// specimen is one VirtualService that was found.
type specimen struct {
	where  string // file, and which of its documents
	object *unstructured.Unstructured
	wrong  string // why it is none; empty: it is one
}

// istioDir is where the source of Istio is, in the version of the local mesh.
func istioDir(tb testing.TB) string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), "go", "mod", "download", "-json", "istio.io/istio")
	cmd.Dir = filepath.Join("..", "..", "meshtest", "controlplane")
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("find the source of Istio: %v\n%s", err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		tb.Fatal(err)
	}
	return module.Dir
}

var (
	isVirtualService = regexp.MustCompile(`(?m)^\s*"?kind"?:\s*"?VirtualService"?`)
	separator        = regexp.MustCompile(`(?m)^---.*$`)
)

// find returns the VirtualServices in the YAML files below the directories, and
// in how many files they are.
func find(tb testing.TB, dirs ...string) (found []specimen, files int) {
	tb.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path)) {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil || !isVirtualService.Match(content) {
				return err
			}
			files++
			name, err := filepath.Rel(filepath.Dir(dir), path)
			if err != nil {
				return err
			}
			for n, document := range separator.Split(string(content), -1) {
				if isVirtualService.MatchString(document) {
					found = append(found, read(fmt.Sprintf("%s#%d", name, n), []byte(document)))
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return found, files
}

var variable = regexp.MustCompile(`\{\{ *\.(\w+)[^{}]*\}\}`)

// rendered puts values in for the variables of a template: a number where one is
// needed, its name otherwise. Templates that do more than that stay templates.
func rendered(document []byte) []byte {
	return variable.ReplaceAllFunc(document, func(found []byte) []byte {
		name := strings.ToLower(string(variable.FindSubmatch(found)[1]))
		if strings.Contains(name, "weight") || strings.Contains(name, "port") || strings.Contains(name, "percent") {
			return []byte("50")
		}
		return []byte(name)
	})
}

// read reads one document.
func read(where string, document []byte) specimen {
	s := specimen{where: where, object: &unstructured.Unstructured{}}
	document = rendered(document)
	if bytes.Contains(document, []byte("{{")) {
		s.wrong = "a template, no YAML"
		return s
	}
	text, err := yaml.YAMLToJSON(document)
	if err == nil {
		err = s.object.UnmarshalJSON(text)
	}
	if err != nil {
		s.wrong = "no YAML: " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	return s
}
