package manifest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reader reads YAML nodes into the wire types and notes all that is wrong. It
// takes names as they are written: for YAML 1.1, which Kubernetes' own reader
// follows, the name "on" would be the boolean true.
type reader struct{ problems }

// checker is a wire type that knows more than its single fields do.
type checker interface {
	// check says what is wrong with the whole, or nothing.
	check() string
}

// field is one field of a wire type.
type field struct {
	name     string
	value    reflect.Value
	required bool
	want     string // in place of the type's own words
}

// entry is one name of a mapping and what stands behind it.
type entry struct{ name, value *yaml.Node }

// read takes what stands at path. Nothing at all is as good as an empty mapping
// or list.
func (r *reader) read(n *yaml.Node, path, want string, into reflect.Value) {
	n = resolved(n)
	r.place(path, n.Line)
	if v, ok := into.Addr().Interface().(value); ok {
		r.readValue(n, path, want, v)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(into.Type().Elem())
		before := len(r.found)
		r.read(n, path, want, fresh.Elem())
		if _, isValue := fresh.Interface().(value); !isValue || len(r.found) == before {
			into.Set(fresh)
		}
	case reflect.Struct:
		r.readStruct(n, path, into)
	case reflect.Slice:
		r.readList(n, path, into)
	case reflect.Map:
		r.readTexts(n, path, into)
	default:
		panic("manifest: no way to read a " + into.Type().String())
	}
}

func (r *reader) readValue(n *yaml.Node, path, want string, into value) {
	if want == "" {
		want = into.want()
	}
	wrong := into.read(n)
	if wrong == "" {
		return
	}
	advice := ""
	if _, isText := into.(*text); isText && n.Kind == yaml.ScalarNode && !isNothing(n) {
		advice = "text; write it in quotes"
		want = ""
	}
	r.add(n.Line, path, "%s, want %s%s", wrong, want, advice)
}

func (r *reader) readStruct(n *yaml.Node, path string, into reflect.Value) {
	fields := fieldsOf(into)
	if n.Kind != yaml.MappingNode && !isNothing(n) {
		r.add(n.Line, path, "%s, want a mapping with %s", found(n), nameList(fields))
		return
	}
	var present []string
	for _, e := range r.entries(n, path) {
		name := e.name.Value
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		switch {
		case i < 0:
			r.unknown(e.name, path, fields)
			continue
		case isNothing(resolved(e.value)) && isValue(fields[i].value):
			r.place(join(path, name), e.name.Line)
			continue // as if it were not there
		}
		present = append(present, name)
		r.read(e.value, join(path, name), fields[i].want, fields[i].value)
	}
	for _, f := range fields {
		r.complete(f, join(path, f.name), slices.Contains(present, f.name))
	}
	if c, ok := into.Addr().Interface().(checker); ok {
		if wrong := c.check(); wrong != "" {
			r.follow(path, wrong)
		}
	}
}

// complete notes what is missing of a field.
func (r *reader) complete(f field, path string, present bool) {
	switch {
	case f.value.Kind() == reflect.Struct && !present:
		r.place(path, r.line(path))
		r.read(&yaml.Node{Line: r.line(path)}, path, "", f.value)
	case f.required && (!present || f.value.Kind() == reflect.String && f.value.Len() == 0):
		want := f.want
		if v, ok := f.value.Addr().Interface().(value); ok && want == "" {
			want = v.want()
		}
		r.follow(path, "is missing, want "+want)
	}
}

func (r *reader) readList(n *yaml.Node, path string, into reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		if !isNothing(n) {
			r.add(n.Line, path, "%s, want a list", found(n))
		}
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		r.read(item, fmt.Sprintf("%s[%d]", path, i), "", into.Index(i))
	}
}

func (r *reader) readTexts(n *yaml.Node, path string, into reflect.Value) {
	if n.Kind != yaml.MappingNode {
		if !isNothing(n) {
			r.add(n.Line, path, "%s, want a mapping of names to text", found(n))
		}
		return
	}
	texts := map[string]text{}
	for _, e := range r.entries(n, path) {
		var content text
		r.read(e.value, join(path, e.name.Value), "", reflect.ValueOf(&content).Elem())
		texts[e.name.Value] = content
	}
	into.Set(reflect.ValueOf(texts))
}

// entries returns what a mapping holds, with what it merges (<<) from others.
func (r *reader) entries(n *yaml.Node, path string) []entry {
	var all []entry
	merged := map[*yaml.Node]bool{n: true} // also keeps a mapping from merging itself
	var merge func(from *yaml.Node)
	merge = func(from *yaml.Node) {
		from = resolved(from)
		switch {
		case merged[from]:
			return
		case from.Kind != yaml.MappingNode && from.Kind != yaml.SequenceNode:
			r.add(from.Line, join(path, "<<"), "%s, want a mapping or a list of mappings", found(from))
			return
		}
		merged[from] = true
		if from.Kind == yaml.SequenceNode {
			for _, one := range from.Content {
				merge(one)
			}
			return
		}
		known := len(all)
		for _, e := range r.ownEntries(from, path, merge) {
			if !slices.ContainsFunc(all[:known], func(other entry) bool { return other.name.Value == e.name.Value }) {
				all = append(all, e)
			}
		}
	}
	all = r.ownEntries(n, path, nil)
	r.mergeAll(n, merge)
	return all
}
