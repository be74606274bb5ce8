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

// entry is one name of a mapping and what stands behind it.
type entry struct{ name, value *yaml.Node }

// read takes what stands at path. Nothing at all is as good as an empty mapping
// or list.
func (r *reader) read(n *yaml.Node, path, want string, into reflect.Value) {
	n = resolved(n)
	r.place(path, n.Line)
	if v, ok := reflect.TypeAssert[value](into.Addr()); ok {
		r.readValue(n, path, want, v)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(into.Type().Elem())
		before := len(r.found)
		r.read(n, path, want, fresh.Elem())
		if _, isValue := reflect.TypeAssert[value](fresh); !isValue || len(r.found) == before {
			into.Set(fresh)
		}
	case reflect.Struct:
		r.readStruct(n, path, into)
	case reflect.Slice:
		r.readList(n, path, into)
	default: // map[string]text
		r.readTexts(n, path, into)
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
	if _, isText := into.(*text); isText && n.Kind == yaml.ScalarNode && !isNothing(n) {
		want = "text; write it in quotes"
	}
	r.add(n.Line, path, "%s, want %s", wrong, want)
}

func (r *reader) readStruct(n *yaml.Node, path string, into reflect.Value) {
	fields := fieldsOf(into)
	if n.Kind != yaml.MappingNode && !isNothing(n) {
		r.add(n.Line, path, "%s, want a mapping with %s", found(n), strings.Join(names(fields), ", "))
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
		case isNothing(resolved(e.value)) && fields[i].isValue():
			r.place(join(path, name), e.name.Line)
			continue // as if it were not there
		}
		present = append(present, name)
		r.read(e.value, join(path, name), fields[i].want, fields[i].value)
	}
	for _, f := range fields {
		r.complete(f, join(path, f.name), slices.Contains(present, f.name))
	}
	if c, ok := reflect.TypeAssert[checker](into.Addr()); ok {
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
		if v, ok := reflect.TypeAssert[value](f.value.Addr()); ok && want == "" {
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

// entries returns what a mapping holds, with what it merges (<<) from others:
// its own names win, then those merged first.
func (r *reader) entries(n *yaml.Node, path string) []entry {
	return r.collect(n, path, map[*yaml.Node]bool{})
}

// collect is entries of a mapping, or of a list of mappings to merge. A node that
// was seen adds nothing, which also keeps a mapping from merging itself.
func (r *reader) collect(n *yaml.Node, path string, seen map[*yaml.Node]bool) []entry {
	if seen[n] || isNothing(n) {
		return nil
	}
	seen[n] = true
	var own, merged []entry
	switch n.Kind {
	case yaml.SequenceNode:
		for _, one := range n.Content {
			merged = append(merged, r.collect(resolved(one), path, seen)...)
		}
	case yaml.MappingNode:
		own, merged = r.pairs(n, path, seen)
	default:
		r.add(n.Line, join(path, "<<"), "%s, want a mapping or a list of mappings", found(n))
	}
	names := map[string]bool{}
	for _, e := range own {
		names[e.name.Value] = true
	}
	for _, e := range merged {
		if !names[e.name.Value] {
			names[e.name.Value] = true
			own = append(own, e)
		}
	}
	return own
}

// pairs returns the entries that stand in a mapping and those that it merges.
func (r *reader) pairs(n *yaml.Node, path string, seen map[*yaml.Node]bool) (own, merged []entry) {
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, content := resolved(n.Content[i]), n.Content[i+1]
		first, twice := lines[name.Value]
		switch {
		case name.Kind != yaml.ScalarNode:
			r.add(name.Line, path, "%s as a name, want text", found(name))
		case name.ShortTag() == "!!merge":
			merged = append(merged, r.collect(resolved(content), path, seen)...)
		case twice:
			r.add(n.Content[i].Line, join(path, name.Value), "stands there twice, first on line %d", first)
		default:
			lines[name.Value] = n.Content[i].Line
			own = append(own, entry{name, content})
		}
	}
	return own, merged
}

// resolved returns the node that an alias stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
