package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
	strictjson "sigs.k8s.io/json"

	"github.com/faultline-mesh/faultline/experiments"
)

// What the head of every document says.
const (
	APIVersion = "faultline.dev/v1alpha1"
	Kind       = "Experiment"
)

// Read is an experiment and where it was read.
type Read struct {
	File string
	experiments.Experiment
}

// Load reads experiment files. The error joins the problems of all of them.
func Load(files ...string) ([]Read, error) {
	var all []Read
	var errs []error
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		more, err := Parse(file, content)
		all, errs = append(all, more...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// Parse reads the documents of one file; its name is for messages only.
func Parse(file string, content []byte) ([]Read, error) {
	var all []Read
	var errs []error
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for n := 1; ; n++ {
		var document any
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		where := file
		if n > 1 {
			where = fmt.Sprintf("%s, document %d", file, n)
		}
		if err != nil { // the decoder cannot go on behind it
			return all, errors.Join(append(errs, fmt.Errorf("%s: %w", where, err))...)
		}
		if document == nil {
			continue // only comments
		}
		read, err := parseOne(document)
		if err != nil {
			errs = append(errs, at(where+": ", err))
			continue
		}
		read.File = file
		all = append(all, read)
	}
	if len(all)+len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%s: holds no document", file))
	}
	return all, errors.Join(errs...)
}

// parseOne checks one document. It has been read as YAML 1.2 is: in YAML 1.1,
// which Kubernetes' own reader follows, the key "on" would be the boolean true.
func parseOne(document any) (Read, error) {
	asJSON, err := json.Marshal(document)
	if err != nil {
		return Read{}, fmt.Errorf("want a mapping with text keys: %w", err)
	}
	var doc documentSpec
	strict, err := strictjson.UnmarshalStrict(asJSON, &doc, strictjson.DisallowDuplicateFields, strictjson.DisallowUnknownFields)
	var errs []error
	for _, e := range strict {
		errs = append(errs, explainUnknown(e))
	}
	if err != nil {
		return Read{}, errors.Join(append(errs, explainType(err))...)
	}
	if doc.APIVersion != APIVersion {
		errs = append(errs, fmt.Errorf("apiVersion: found %q, want %q", doc.APIVersion, APIVersion))
	}
	if doc.Kind != Kind {
		errs = append(errs, fmt.Errorf("kind: found %q, want %q", doc.Kind, Kind))
	}
	if doc.Metadata.Name == "" {
		errs = append(errs, errors.New("metadata.name: is missing"))
	}
	e, err := doc.Spec.experiment()
	if err = errors.Join(append(errs, err)...); err != nil {
		return Read{}, err
	}
	e.Name = doc.Metadata.Name
	if e.Title == "" {
		e.Title = e.Name
	}
	if err := e.Validate(); err != nil {
		return Read{}, at("spec.", err)
	}
	return Read{Experiment: e}, nil
}

// explainUnknown adds the nearest known name to the decoder's words, which are
// `unknown field "spec.foo"` or `duplicate field "spec.foo"`.
func explainUnknown(err error) error {
	kind, quoted, _ := strings.Cut(err.Error(), " field ")
	path := strings.Trim(quoted, `"`)
	if kind != "unknown" {
		return fmt.Errorf("%s: stands there twice", path)
	}
	name := path[strings.LastIndex(path, ".")+1:]
	if near := nearest(name, knownFields()); near != "" {
		return fmt.Errorf("%s: is no known field; did you mean %q?", path, near)
	}
	return fmt.Errorf("%s: is no known field", path)
}

// explainType says the decoder's type errors in words of YAML.
func explainType(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	want := map[string]string{
		"string": "text", "float64": "a number", "int": "a whole number", "bool": "true or false",
		"slice": "a list", "struct": "a mapping", "map": "a mapping of names to text",
	}
	kind := wrong.Type.Kind().String()
	if wrong.Type.Kind().String() == "ptr" {
		kind = wrong.Type.Elem().Kind().String()
	}
	return fmt.Errorf("%s: found %s, want %s", wrong.Field, wrong.Value, want[kind])
}

// at puts a path before each of the joined errors.
func at(path string, err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // only joins are taken apart
		var errs []error
		for _, one := range joined.Unwrap() {
			errs = append(errs, at(path, one))
		}
		return errors.Join(errs...)
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s%w", path, err)
}
