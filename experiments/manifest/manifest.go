package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/faultline-mesh/faultline/experiments"
)

// What the head of every document says.
const (
	APIVersion = "faultline.dev/v1alpha1"
	Kind       = "Experiment"
)

// Read is an experiment and where it was read.
type Read struct {
	File   string
	Digest string // of what the document says: comments and layout do not change it
	experiments.Experiment
}

// Load reads experiment files. The error joins the problems of all of them. Two
// experiments cannot have the same name: reports go by it.
func Load(files ...string) ([]Read, error) {
	var all []Read
	var errs []error
	names := map[string]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		more, err := parse(file, content, names)
		all, errs = append(all, more...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// Parse reads the documents of one file; its name is for messages only. With an
// error it returns those documents in which nothing is wrong.
func Parse(file string, content []byte) ([]Read, error) {
	return parse(file, content, map[string]string{})
}

// parse is Parse; names are those taken already, and by which file.
func parse(file string, content []byte, names map[string]string) ([]Read, error) {
	var all []Read
	var errs []error
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for n := 1; ; n++ {
		where := file
		if n > 1 {
			where = fmt.Sprintf("%s, document %d", file, n)
		}
		var root yaml.Node
		err := decoder.Decode(&root)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil { // the decoder cannot go on behind it
			errs = append(errs, fmt.Errorf("%s: %w", where, notYAML(err)))
			break
		}
		if len(root.Content) == 0 || isNothing(root.Content[0]) {
			continue // only comments
		}
		e, wrong := readDocument(root.Content[0], names)
		if err := wrong.err(where); err != nil {
			errs = append(errs, err)
			continue
		}
		names[e.Name] = where
		all = append(all, Read{File: file, Digest: digest(root.Content[0]), Experiment: e})
	}
	if len(all)+len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%s: holds no experiment, want a document with apiVersion, kind, metadata and spec", file))
	}
	return all, errors.Join(errs...)
}

// digest returns a short sum of what a document says.
func digest(n *yaml.Node) string {
	var content any
	err := n.Decode(&content)
	text, wrong := json.Marshal(content)
	if err = errors.Join(err, wrong); err != nil {
		return "" // keys that are no text, which the reader refuses
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// readDocument reads one document and notes all that is wrong with it.
func readDocument(n *yaml.Node, names map[string]string) (experiments.Experiment, *problems) {
	var doc document
	r := &reader{}
	r.read(n, "", "", reflect.ValueOf(&doc).Elem())
	if doc.isForeign() {
		r.only("apiVersion", "kind")
		return experiments.Experiment{}, &r.problems
	}
	r.checkName(string(doc.Metadata.Name), names)
	e := doc.experiment()
	told := r.told // what Validate says does not follow from what else it says
	for _, err := range single(e.Validate()) {
		field, text, _ := strings.Cut(err.Error(), ": ")
		r.told = told
		r.follow(doc.yamlPath(field), text)
	}
	return e, &r.problems
}

// isForeign reports whether the document is of another kind altogether, of which
// nothing else need be said.
func (d document) isForeign() bool {
	return d.APIVersion != "" && d.APIVersion != APIVersion && d.Kind != "" && d.Kind != Kind
}

func (r *reader) checkName(name string, names map[string]string) {
	const path = "metadata.name"
	if name == "" {
		r.told = append(r.told, "spec.title") // the name would serve
		return
	}
	if len(validation.IsDNS1123Subdomain(name)) > 0 {
		r.follow(path, fmt.Sprintf("found %q, want lower-case letters, digits, '-' and '.' only, a letter or digit at both ends", name))
	}
	if where, taken := names[name]; taken {
		r.follow(path, fmt.Sprintf("found %q, which is the name of the experiment in %s, too", name, where))
	}
}

// single takes joined errors apart.
func single(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, single(one)...)
	}
	return all
}

// yamlError is how the decoder words what it cannot read.
var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// notYAML says where a file is no YAML in the words that other problems have.
func notYAML(err error) error {
	parts := yamlError.FindStringSubmatch(err.Error())
	if parts == nil {
		return err
	}
	line, _ := strconv.Atoi(parts[1]) // 0 where it does not say
	advice := ""
	switch parts[2] {
	case "mapping values are not allowed in this context":
		advice = "; put text that has a colon and a blank in it in quotes, and look at the indentation"
	case "found character that cannot start any token":
		advice = "; indent by blanks, not by tabs, and put text that begins with @, ` or % in quotes"
	}
	return problem{text: "is not YAML: " + parts[2] + advice, line: line}
}
