package injector

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	labelFaulted     = "faultline.dev/faulted" // on every object with a mark; value "true"
	annotationPrefix = "faultline.dev/run."    // followed by the run
)

// markVersion is the format of the marks that this faultline writes.
const markVersion = 1

// mark is what a run leaves on an object it edits or creates, in the same
// write: all that is needed to take the edit out again, by anyone.
type mark struct {
	V       int       `json:"v"`                 // markVersion
	Until   time.Time `json:"until"`             // when the fault is stale; whole seconds, UTC
	By      string    `json:"by"`                // who made it
	Lease   string    `json:"lease,omitempty"`   // namespace/name of the run's Lease; none on the Lease itself
	Routes  []string  `json:"routes,omitempty"`  // names of the routes put in
	Created bool      `json:"created,omitempty"` // the object itself is ours
	SHA     string    `json:"sha,omitempty"`     // fingerprint of what was put in
}

// newMark returns a mark that names nothing put in yet.
func newMark(until time.Time, by string) mark {
	return mark{V: markVersion, Until: until.UTC().Truncate(time.Second), By: by}
}

// parseMark reads an annotation that a run left. Unknown members are let
// through, so that a newer faultline's marks can still be reverted.
func parseMark(annotation string) (mark, error) {
	var m mark
	if err := json.Unmarshal([]byte(annotation), &m); err != nil {
		return mark{}, err
	}
	if m.Until.IsZero() {
		return mark{}, errors.New("until is missing")
	}
	return m, nil
}

// strange says what about a mark that can be read is not of this faultline's
// making, or "".
func strange(annotation string) string {
	var m mark
	decoder := json.NewDecoder(strings.NewReader(annotation))
	decoder.DisallowUnknownFields()
	switch err := decoder.Decode(&m); {
	case err != nil:
		return fmt.Sprintf("its mark is of another version of faultline: %v", err)
	case m.V != markVersion:
		return fmt.Sprintf("its mark is of another version of faultline: v is %d, not %d", m.V, markVersion)
	}
	return ""
}

// put writes m as run's mark onto obj.
func (m mark) put(obj *unstructured.Unstructured, run string) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	return errors.Join(
		unstructured.SetNestedField(obj.Object, string(text), "metadata", "annotations", annotationPrefix+run),
		unstructured.SetNestedField(obj.Object, "true", "metadata", "labels", labelFaulted),
	)
}

// putWhole writes m as run's mark onto obj, all of which is the run's.
func (m mark) putWhole(obj *unstructured.Unstructured, run string) (err error) {
	if m.SHA, err = fingerprint(obj.Object["spec"]); err != nil {
		return err
	}
	return m.put(obj, run)
}

// markOf returns run's mark on obj. found says whether there is an annotation,
// err why it cannot be read.
func markOf(obj *unstructured.Unstructured, run string) (m mark, found bool, err error) {
	annotation, found := at[object](obj.Object, "metadata", "annotations")[annotationPrefix+run]
	if !found {
		return mark{}, false, nil
	}
	text, ok := annotation.(string)
	if !ok {
		return mark{}, true, fmt.Errorf("%v is not a string", annotation)
	}
	m, err = parseMark(text)
	return m, true, err
}

// markedRuns returns the runs that have an annotation on obj, sorted.
func markedRuns(obj *unstructured.Unstructured) []string {
	var runs []string
	for key := range at[object](obj.Object, "metadata", "annotations") {
		if run, ours := strings.CutPrefix(key, annotationPrefix); ours {
			runs = append(runs, run)
		}
	}
	slices.Sort(runs)
	return runs
}

// isLabelled says whether obj has the label that marked objects have.
func isLabelled(obj *unstructured.Unstructured) bool {
	_, found := at[object](obj.Object, "metadata", "labels")[labelFaulted]
	return found
}

// unmark takes run's mark off obj. The label goes only with the last mark and
// the last route of any run: a run whose annotation somebody deleted is found by
// the label. A map that ends up empty goes too, as if it had never been there.
func unmark(obj *unstructured.Unstructured, run string) {
	removeEntry(obj, "annotations", annotationPrefix+run)
	ours := func(route any) bool { return routeRun(route) != "" }
	if len(markedRuns(obj)) == 0 && !slices.ContainsFunc(at[[]any](obj.Object, "spec", "http"), ours) {
		removeEntry(obj, "labels", labelFaulted)
	}
}

func removeEntry(obj *unstructured.Unstructured, field, key string) {
	entries := at[object](obj.Object, "metadata", field)
	if _, found := entries[key]; !found {
		return
	}
	delete(entries, key)
	if len(entries) == 0 {
		unstructured.RemoveNestedField(obj.Object, "metadata", field)
	}
}

// fingerprint identifies JSON values by content: 12 hex digits. Object keys
// are sorted by the encoder, so it does not depend on their order.
func fingerprint(content any) (string, error) {
	text, err := appendJSON(nil, content)
	if err != nil {
		return "", fmt.Errorf("fingerprint: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6]), nil
}
