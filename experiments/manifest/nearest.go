package manifest

import (
	"reflect"
	"slices"
	"strings"
)

// knownFields are the names of all fields of a document, wherever they stand.
func knownFields() []string {
	var names []string
	collect(reflect.TypeFor[documentSpec](), &names)
	slices.Sort(names)
	return slices.Compact(names)
}

func collect(t reflect.Type, names *[]string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[documentSpec]().PkgPath() {
		return
	}
	for i := range t.NumField() {
		field := t.Field(i)
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			*names = append(*names, name)
			collect(field.Type, names)
		}
	}
}

// nearest returns the known name that is closest to a misspelt one, or nothing
// when none is close.
func nearest(name string, known []string) string {
	best, distance := "", max(2, len(name)/3)+1
	for _, k := range known {
		if d := editDistance(strings.ToLower(name), strings.ToLower(k)); d < distance {
			best, distance = k, d
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
