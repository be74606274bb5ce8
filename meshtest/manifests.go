package meshtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// fieldManager is the name under which the mesh writes objects.
const fieldManager = "meshtest"

// manifest is one object and where it was read.
type manifest struct {
	source string // "mesh/payments.yaml, document 2"
	home   string // namespace it belongs in when it names none; empty: "default"
	*unstructured.Unstructured
}

func (m manifest) String() string {
	name := m.GetName()
	if m.GetNamespace() != "" {
		name = m.GetNamespace() + "/" + name
	}
	return m.GetKind() + " " + name
}

// readManifests reads YAML and JSON files, and directories of them (not their
// subdirectories), as kubectl apply -f does.
func readManifests(paths []string) ([]manifest, error) {
	var objects []manifest
	var errs []error
	for _, path := range paths {
		files, err := manifestFiles(path)
		errs = append(errs, err)
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			more, err := parseManifests(file, content)
			objects, errs = append(objects, more...), append(errs, err)
		}
	}
	return objects, errors.Join(errs...)
}

func manifestFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != path:
			return fs.SkipDir
		case slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)):
			files = append(files, file)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("manifests: %s holds no .yaml, .yml or .json file", path)
	}
	return files, err
}

// parseManifests reads the documents of one file; all its problems at once.
func parseManifests(source string, content []byte) ([]manifest, error) {
	var objects []manifest
	var errs []error
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for n := 1; ; n++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, errors.Join(errs...)
		}
		where := fmt.Sprintf("%s, document %d", source, n)
		if err != nil {
			return objects, errors.Join(append(errs, fmt.Errorf("%s: %w", where, err))...)
		}
		object, err := parseObject(document)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
		case object != nil:
			objects = append(objects, manifest{source: where, Unstructured: object})
		}
	}
}

// parseObject returns nil for a document that holds only comments.
func parseObject(document []byte) (*unstructured.Unstructured, error) {
	asJSON, err := yaml.ToJSON(document)
	if err != nil {
		return nil, err
	}
	if string(bytes.TrimSpace(asJSON)) == "null" {
		return nil, nil //nolint:nilnil // nothing is a legal document
	}
	var content map[string]any
	if err := json.Unmarshal(asJSON, &content); err != nil {
		return nil, fmt.Errorf("want a Kubernetes object: %w", err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(asJSON); err != nil {
		return nil, err
	}
	if object.GetName() == "" {
		return nil, fmt.Errorf("%s: metadata.name: is missing", object.GetKind())
	}
	return object, nil
}
