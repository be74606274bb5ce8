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
	Signs  []Sign   // how requests that met the fault here can be told; none when it only serves another edit

	percent float64           // the share of the requests in scope that the fault hits in the end
	highest float64           // the highest percentage in After as it was planned
	headers map[string]string // what tells the requests in scope; none means the run's own

	splice *splice    // how to make After again when the object has changed; nil when created whole
	filter *filterSet // what an EnvoyFilter is made of; nil for other kinds
	rising Fault      // the fault with its ramp
	former []string   // routes, or HTTP filters, of earlier steps of the ramp
}

// ShownIn reports whether a proxy's configuration, a part of its config_dump,
// shows this very edit: one of its routes, or its filter. A proxy gets the
// routes of one object all together.
func (e Edit) ShownIn(config []byte) bool { return e.named(config, e.shownAs()) }

// LeftIn reports whether a proxy's configuration still shows this edit or an
// earlier step of its ramp.
func (e Edit) LeftIn(config []byte) bool { return e.ShownIn(config) || e.named(config, e.former) }

// shownAs returns the names by which proxies show the edit as it is now.
func (e Edit) shownAs() []string {
	if len(e.Routes) == 0 {
		return []string{e.Marker}
	}
	return e.Routes
}

// named says whether config has something of one of the edit's names.
func (e Edit) named(config []byte, names []string) bool {
	ends := []string{`"`}
	if len(e.Routes) > 0 {
		ends = append(ends, `.`, `-`) // see NamesRoute
	}
	return slices.ContainsFunc(names, func(name string) bool {
		return slices.ContainsFunc(ends, func(end string) bool { return bytes.Contains(config, []byte(`"`+name+end)) })
	})
}

// spareRoutes is where an edit's route numbers begin, times its place among the
// edits, when it needs more of them than were planned.
const spareRoutes = 1000

// again returns e planned anew on the object as it is now. again is an error
// when the edit is no longer right, and when live carries the run's mark
// already though this injection put none there.
func (e Edit) again(live *unstructured.Unstructured, ours bool) (Edit, error) {
	if e.filter != nil && ours {
		var err error
		e.After, err = e.filter.into(live, e.Marker)
		e.Before = live
		return e, err
	}
	if e.splice == nil {
		return Edit{}, errors.New("changed since it was planned")
	}
	if !ours && carries(live, e.splice.run) {
		return Edit{}, fmt.Errorf("carries a mark of run %s already", e.splice.run)
	}
	after, names, err := e.splice.into(live)
	if err == nil && len(names) > len(e.Routes) && len(e.splice.replaces) == 0 {
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
