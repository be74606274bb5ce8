package injector

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/rogpeppe/go-internal/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Edit is one write of a plan: an object before and after it. Read its objects,
// do not change them.
type Edit struct {
	Ref    Ref
	Before *unstructured.Unstructured // nil when the object is created
	After  *unstructured.Unstructured

	// Marker is what proxies show once the edit has reached them: how the names
	// of all routes of the run begin, or the name of the HTTP filter. ShownIn
	// tells this edit from others of the run.
	Marker string
	Routes []string // names of the inserted routes, which no other edit of the run has; none at the Upstream site
	Fault  int      // index of the fault this edit makes
	Pods   []string // pods in whose proxies the fault is made; none at the Caller site

	percent float64           // share of the requests in scope that the fault hits
	highest float64           // the highest percentage in After as it was planned
	headers map[string]string // what tells the requests in scope; none means the run's own

	splice *splice // how to make After again when the object has changed; nil when created whole
}

// ShownIn reports whether a proxy's configuration, a part of its config_dump,
// shows this very edit: one of its routes, or its filter. A proxy gets the
// routes of one object all together.
func (e Edit) ShownIn(config []byte) bool {
	if len(e.Routes) == 0 {
		return bytes.Contains(config, []byte(`"`+e.Marker+`"`))
	}
	return slices.ContainsFunc(e.Routes, func(name string) bool {
		return slices.ContainsFunc([]string{`"`, `.`, `-`}, func(end string) bool { // see NamesRoute
			return bytes.Contains(config, []byte(`"`+name+end))
		})
	})
}

// spareRoutes is where an edit's route numbers begin, times its place among the
// edits, when it needs more of them than were planned.
const spareRoutes = 1000

// again returns e planned anew on the object as it is now. again is an error
// when the edit is no longer right, and when live carries the run's mark
// already though this injection put none there.
func (e Edit) again(live *unstructured.Unstructured, ours bool) (Edit, error) {
	if e.splice == nil {
		return Edit{}, errors.New("changed since it was planned")
	}
	if !ours && carries(live, e.splice.run) {
		return Edit{}, fmt.Errorf("carries a mark of run %s already", e.splice.run)
	}
	after, names, err := e.splice.into(live)
	if err == nil && len(names) > len(e.Routes) {
		spare := *e.splice
		spare.first = spare.spare
		after, names, err = spare.into(live)
	}
	if err != nil {
		return Edit{}, fmt.Errorf("changed since it was planned: %w", err)
	}
	e.Before, e.After, e.Routes = live, after, names
	return e, nil
}

// Diff returns the edit as a unified diff of YAML, for people to read. What the
// API server keeps for itself (managedFields, resourceVersion and the like) is
// left out. It is empty when the objects do not differ.
func (e Edit) Diff() string {
	before, after := readable(e.Before), readable(e.After)
	name := e.Ref.String()
	from, to := name, name
	if e.Before == nil {
		from = "/dev/null"
	}
	return string(diff.Diff(from, before, to, after))
}

// readable returns obj as YAML without what only the API server cares about.
func readable(obj *unstructured.Unstructured) []byte {
	if obj == nil {
		return nil
	}
	obj = obj.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"} {
		unstructured.RemoveNestedField(obj.Object, "metadata", field)
	}
	text, err := yaml.Marshal(obj.Object)
	if err != nil {
		return fmt.Appendf(nil, "%v\n", err) // JSON values always have a YAML form
	}
	return text
}
