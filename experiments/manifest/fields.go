package manifest

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// field is one field of a wire type.
type field struct {
	name     string
	value    reflect.Value
	required bool
	want     string // in place of the type's own words
}

// fieldsOf returns the fields of a struct, those of embedded structs in their
// place.
func fieldsOf(into reflect.Value) []field {
	var all []field
	for f, v := range into.Fields() {
		if f.Anonymous {
			all = append(all, fieldsOf(v)...)
			continue
		}
		_, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		all = append(all, field{name: tagName(f), value: v, required: options == "required", want: f.Tag.Get("want")})
	}
	return all
}

func tagName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

// isValue reports whether the field holds one value, there or not.
func (f field) isValue() bool {
	t := f.value.Type()
	if t.Kind() != reflect.Pointer {
		t = reflect.PointerTo(t)
	}
	return t.Implements(reflect.TypeFor[value]())
}

func names(fields []field) []string {
	var all []string
	for _, f := range fields {
		all = append(all, f.name)
	}
	return all
}

// unknown notes a name that stands where it should not, with the field that may
// be meant: the nearest one there, or those of that name elsewhere.
func (r *reader) unknown(name *yaml.Node, path string, fields []field) {
	const few = 2
	at := join(path, name.Value)
	if near := nearest(name.Value, names(fields)); near != "" {
		r.add(name.Line, at, "is no known field; did you mean %q?", near)
		r.told = append(r.told, join(path, near))
		return
	}
	known := strings.Join(names(fields), ", ")
	elsewhere := places(reflect.TypeFor[document](), "", name.Value)
	if len(elsewhere) == 0 || len(elsewhere) > few {
		r.add(name.Line, at, "is no known field; known here are %s", known)
		return
	}
	r.add(name.Line, at, "is no known field here, but %s is; known here are %s", strings.Join(elsewhere, " or "), known)
	r.told = append(r.told, elsewhere...)
}

// places returns the paths at which a type has fields of a name.
func places(t reflect.Type, path, name string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		if t.Kind() == reflect.Slice {
			path += "[]"
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var all []string
	for f := range t.Fields() {
		at := path
		if !f.Anonymous {
			at = join(path, tagName(f))
		}
		if strings.EqualFold(tagName(f), name) {
			all = append(all, at)
		}
		all = append(all, places(f.Type, at, name)...)
	}
	return slices.Compact(all)
}

// nearest returns the known name that is closest to a misspelt one, or nothing
// when none is close.
func nearest(name string, known []string) string {
	const shortest = 4 // of a name that is looked for within another
	name = strings.ToLower(name)
	best, distance := "", max(1, (len(name)+1)/3)+1
	for _, k := range known {
		if d := editDistance(name, strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	for _, k := range known {
		lower := strings.ToLower(k)
		if best == "" && min(len(name), len(k)) >= shortest && (strings.Contains(name, lower) || strings.Contains(lower, name)) {
			best = k
		}
	}
	return best
}

// editDistance is the number of letters to insert, delete or replace
// (Levenshtein), in one row of the usual table.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
