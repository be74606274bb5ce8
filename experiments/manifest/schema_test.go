package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The tests here keep docs/experiment.schema.json and the wire types the same.

const schemaFile = "../../docs/experiment.schema.json"

type node = map[string]any

func readSchema(t *testing.T) node {
	t.Helper()
	content, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var schema node
	if err := json.Unmarshal(content, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestSchemaHasTheFieldsOfTheWireTypes(t *testing.T) {
	for _, difference := range schemaDifferences(readSchema(t)) {
		t.Error(difference)
	}
}

func TestSchemaDifferencesAreFound(t *testing.T) {
	for want, change := range map[string]func(defs node){
		"load.rate: the schema lacks it":           func(defs node) { delete(defs["load"].(node)["properties"].(node), "rate") },
		"load.burst: no wire type has it":          func(defs node) { defs["load"].(node)["properties"].(node)["burst"] = node{} },
		"jitter: no wire type has it":              func(defs node) { defs["jitter"] = node{} },
		"delay: the schema lacks it":               func(defs node) { delete(defs, "delay") },
		"load: the schema requires [], want [url]": func(defs node) { defs["load"].(node)["required"] = []any{} },
		"load: the schema lets unknown fields through": func(defs node) {
			delete(defs["load"].(node), "additionalProperties")
		},
		"fault: the schema chooses one of [delay], want [abort blackhole delay delays without]": func(defs node) {
			defs["fault"].(node)["oneOf"] = []any{node{"required": []any{"delay"}}}
		},
		`load.rate: the schema has "#/$defs/text", want "#/$defs/perSecond"`: func(defs node) {
			defs["load"].(node)["properties"].(node)["rate"] = node{"$ref": "#/$defs/text"}
		},
	} {
		schema := readSchema(t)
		change(schema["$defs"].(node))
		if got := schemaDifferences(schema); !slices.Contains(got, want) {
			t.Errorf("got %q, want %q among them", got, want)
		}
	}
}

// schemaDifferences says what the wire types have and the schema has not, and
// the other way round. Each wire type has a definition of its own name.
func schemaDifferences(schema node) []string {
	c := comparison{defs: schema["$defs"].(node), known: map[string]bool{}}
	c.visit(reflect.TypeFor[document]())
	for _, name := range slices.Sorted(maps.Keys(c.defs)) {
		if !c.known[name] {
			c.say("%s: no wire type has it", name)
		}
	}
	return c.found
}

// comparison goes through the wire types.
type comparison struct {
	defs  node
	known map[string]bool
	found []string
}

func (c *comparison) say(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

func (c *comparison) visit(t reflect.Type) {
	if c.known[t.Name()] {
		return
	}
	c.known[t.Name()] = true
	def, _ := c.defs[t.Name()].(node)
	switch {
	case def == nil:
		c.say("%s: the schema lacks it", t.Name())
	case t.Kind() == reflect.Struct:
		c.compare(t, def)
	}
}

func (c *comparison) compare(t reflect.Type, def node) {
	if def["additionalProperties"] != false {
		c.say("%s: the schema lets unknown fields through", t.Name())
	}
	properties, _ := def["properties"].(node)
	fields := wireFields(t)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if _, ok := fields[name]; !ok {
			c.say("%s.%s: no wire type has it", t.Name(), name)
		}
	}
	var required []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		f := fields[name]
		if isRequired(f) {
			required = append(required, name)
		}
		one, ref := refOf(f.Type, properties[name])
		switch want := "#/$defs/" + one.Name(); {
		case properties[name] == nil:
			c.say("%s.%s: the schema lacks it", t.Name(), name)
		case ref != want:
			c.say("%s.%s: the schema has %q, want %q", t.Name(), name, ref, want)
		}
		c.visit(one)
	}
	if got := texts(def["required"]); !slices.Equal(got, required) {
		c.say("%s: the schema requires %v, want %v", t.Name(), got, required)
	}
	if got, want := oneOfNames(def), choices(t); !slices.Equal(got, want) {
		c.say("%s: the schema chooses one of %v, want %v", t.Name(), got, want)
	}
}

// wireFields returns the fields of a wire type by name, those of embedded types
// among them.
func wireFields(t reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for f := range t.Fields() {
		if f.Anonymous {
			maps.Copy(fields, wireFields(f.Type))
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		fields[name] = f
	}
	return fields
}

// isRequired reports whether a field must be there: because its tag says so, or
// because a field within it must.
func isRequired(f reflect.StructField) bool {
	if f.Type.Kind() != reflect.Struct {
		return strings.HasSuffix(f.Tag.Get("yaml"), ",required")
	}
	for _, inner := range wireFields(f.Type) {
		if isRequired(inner) {
			return true
		}
	}
	return false
}

// choices are the fields of a type of which exactly one must be there.
func choices(t reflect.Type) []string {
	if !reflect.PointerTo(t).Implements(reflect.TypeFor[checker]()) {
		return nil
	}
	var names []string
	for name, f := range wireFields(t) {
		if f.Type.Kind() == reflect.Pointer {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func oneOfNames(def node) []string {
	var names []string
	branches, _ := def["oneOf"].([]any)
	for _, branch := range branches {
		names = append(names, texts(branch.(node)["required"])...)
	}
	slices.Sort(names)
	return names
}

// refOf returns the type that a field holds, one or many of, and the definition
// that the schema has for it.
func refOf(t reflect.Type, property any) (reflect.Type, string) {
	p, _ := property.(node)
	switch t.Kind() {
	case reflect.Pointer:
		return refOf(t.Elem(), property)
	case reflect.Slice:
		return refOf(t.Elem(), p["items"])
	case reflect.Map:
		return refOf(t.Elem(), p["additionalProperties"])
	}
	ref, _ := p["$ref"].(string)
	return t, ref
}

func texts(list any) []string {
	var all []string
	items, _ := list.([]any)
	for _, item := range items {
		all = append(all, item.(string))
	}
	slices.Sort(all)
	return all
}

// Each definition of a single value must take what the reader takes, and
// nothing else. (Only 1.0 is a whole number to JSON Schema, and none to the reader.)
func TestSchemaTakesTheSameValues(t *testing.T) {
	defs := readSchema(t)["$defs"].(node)
	probes := []string{
		APIVersion, Kind, "caller", "upstream", "Caller", "retries", "timeout", "Retries", "UNAVAILABLE", "unavailable", "OK", "14", "text", `""`, "true", "false", "[]", "{}",
		"10s", "1m30s", "1.5s", ".5s", "+2s", "200ms", "7us", "7µs", "7ns", "0s", "0", "-1s", "10", "10 s", "1d", "s", "0h0m0.0s", "0h0m0.1s",
		"-1", "-0.5", "1e-6", "0.0001", "0.05", "0.051", "0.5", "1", "1.5", "99.9", "100", "100.1", "199", "200", "503", "599", "600", "65535", "65536",
	}
	for name, zero := range map[string]value{
		"apiVersion": new(apiVersion), "kind": new(kind), "text": new(text), "flag": new(flag), "siteName": new(siteName),
		"policyName": new(policyName), "grpcStatus": new(grpcStatus),
		"duration": new(duration), "percentage": new(percentage), "share": new(share), "ratio": new(ratio), "quantity": new(quantity),
		"perSecond": new(perSecond), "alpha": new(alpha), "count": new(count), "number": new(number), "port": new(port),
		"mockStatus": new(mockStatus), "seenStatus": new(seenStatus),
	} {
		for _, probe := range probes {
			var n yaml.Node
			var content any
			if err := errors.Join(yaml.Unmarshal([]byte(probe), &n), yaml.Unmarshal([]byte(probe), &content)); err != nil {
				t.Fatal(err)
			}
			wrong := zero.read(n.Content[0])
			if refused := refuses(t, defs[name].(node), content); refused != (wrong != "") {
				t.Errorf("%s as %s: the schema refuses: %t; the reader says %q", probe, name, refused, wrong)
			}
		}
	}
}

// refuses reports whether a definition of a single value does not take v. It
// knows the keywords that such definitions use, and no other.
func refuses(t *testing.T, def node, v any) bool {
	t.Helper()
	number, isNumber := toNumber(v)
	text, isText := v.(string)
	_, isBool := v.(bool)
	kinds := map[string]bool{
		"string": isText, "boolean": isBool, "number": isNumber, "integer": isNumber && number == math.Trunc(number),
	}
	for keyword, want := range def {
		limit, _ := want.(float64)
		wrong := false
		switch keyword {
		case "description":
		case "type":
			wrong = !kinds[want.(string)]
		case "const":
			wrong = !reflect.DeepEqual(want, v) && !(isNumber && want == number)
		case "enum":
			wrong = !slices.Contains(want.([]any), v)
		case "minimum":
			wrong = isNumber && number < limit
		case "exclusiveMinimum":
			wrong = isNumber && number <= limit
		case "maximum":
			wrong = isNumber && number > limit
		case "pattern":
			wrong = isText && !regexp.MustCompile(want.(string)).MatchString(text)
		case "not":
			wrong = !refuses(t, want.(node), v)
		case "anyOf":
			wrong = !slices.ContainsFunc(want.([]any), func(one any) bool { return !refuses(t, one.(node), v) })
		default:
			t.Fatalf("the keyword %q is not known to this test", keyword)
		}
		if wrong {
			return true
		}
	}
	return false
}

func toNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}
