package injector

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestMarkSurvivesItsAnnotation(t *testing.T) {
	obj := decodeOne(t, paymentsRoutes)
	local := time.FixedZone("", 3600)
	m := newMark(testUntil.In(local).Add(300*time.Millisecond), testBy)
	m.Lease = "shop/faultline-7f3a"
	m.Routes, m.Created, m.SHA = []string{"faultline-7f3a-0"}, true, "0123456789ab"
	if err := m.put(obj, testRun); err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"until":"2026-01-02T15:10:00Z","by":"ada@ci/1","lease":"shop/faultline-7f3a","routes":["faultline-7f3a-0"],"created":true,"sha":"0123456789ab"}`
	if got := obj.GetAnnotations()["faultline.dev/run.7f3a"]; got != want {
		t.Errorf("annotation %s\nwant       %s", got, want)
	}
	if got := obj.GetLabels()["faultline.dev/faulted"]; got != "true" {
		t.Errorf("label %q", got)
	}
	got, found, err := markOf(obj, testRun)
	if !found || err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v, %v, %v; want %+v", got, found, err, m)
	}
}

func TestParseMark(t *testing.T) {
	tests := map[string]struct {
		text string
		want string // part of the error; "" when it can be read
	}{
		"as written":         {`{"until":"2026-01-02T15:04:05Z","by":"a","sha":"x"}`, ""},
		"with a newer field": {`{"until":"2026-01-02T15:04:05Z","by":"a","sha":"x","gate":"y"}`, ""},
		"empty":              {"", "unexpected end"},
		"no JSON":            {"hello", "invalid character"},
		"no time":            {`{"by":"a"}`, "until is missing"},
		"a bad time":         {`{"until":"tomorrow"}`, "parsing time"},
		"a list":             {`[]`, "cannot unmarshal"},
		"null":               {`null`, "until is missing"},
		"routes of numbers":  {`{"until":"2026-01-02T15:04:05Z","routes":[1]}`, "cannot unmarshal"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseMark(test.text)
			if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func TestUnmark(t *testing.T) {
	const two = "{faultline.dev/run.7f3a: a, faultline.dev/run.beef: b}"
	const one = "{faultline.dev/run.7f3a: a}"
	const label = `{faultline.dev/faulted: "true"}`
	tests := map[string]struct {
		annotations, labels string
		want                string // metadata after, as JSON
	}{
		"the last mark takes the label and empty maps": {one, label, `{"name":"x"}`},
		"another's mark keeps the label": {
			two, label,
			`{"annotations":{"faultline.dev/run.beef":"b"},"labels":{"faultline.dev/faulted":"true"},"name":"x"}`,
		},
		"what users have stays": {
			"{faultline.dev/run.7f3a: a, note: b}", `{faultline.dev/faulted: "true", app: c}`,
			`{"annotations":{"note":"b"},"labels":{"app":"c"},"name":"x"}`,
		},
		"a label alone goes":   {"{}", label, `{"annotations":{},"name":"x"}`},
		"nothing of ours":      {"{a: b}", "{c: d}", `{"annotations":{"a":"b"},"labels":{"c":"d"},"name":"x"}`},
		"the label went first": {one, "{}", `{"labels":{},"name":"x"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			obj := decodeOne(t, "{kind: X, apiVersion: v1, metadata: {name: x, annotations: "+test.annotations+", labels: "+test.labels+"}}")
			for range 2 { // the second changes nothing
				unmark(obj, testRun)
				if got := asJSON(t, obj.Object["metadata"]); got != test.want {
					t.Errorf("%s\nwant %s", got, test.want)
				}
			}
		})
	}
}

func TestFingerprintIsOfContent(t *testing.T) {
	fingerprintOf := func(v any) string {
		t.Helper()
		sha, err := fingerprint(v)
		if err != nil || len(sha) != 12 {
			t.Fatalf("%q, %v", sha, err)
		}
		return sha
	}
	sent := fingerprintOf([]any{object{"a": 100.0, "b": int64(1)}})
	if stored := fingerprintOf([]any{object{"b": int64(1), "a": int64(100)}}); stored != sent {
		t.Errorf("what the API server gives back has %s, what was sent %s", stored, sent)
	}
	if other := fingerprintOf([]any{object{"a": int64(101), "b": int64(1)}}); other == sent {
		t.Error("different content has the same fingerprint")
	}
	if _, err := fingerprint(func() {}); err == nil {
		t.Error("a function has a fingerprint")
	}
}
