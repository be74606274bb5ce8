package observe

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// What Envoy 1.37 answers, shortened.
const overridden = `{"layers":["global config","admin"],"entries":{
	"fault.http.max_active_faults":{"final_value":"0","layer_values":["","0"]},
	"overload.global_downstream_max_connections":{"final_value":"9","layer_values":["9",""]}}}`

func TestParseRuntime(t *testing.T) {
	for _, test := range []struct{ data, key, want, err string }{
		{overridden, "fault.http.max_active_faults", "0", ""},
		{overridden, "overload.global_downstream_max_connections", "", ""},
		{overridden, "nothing", "", ""},
		{`{"layers":["global config"],"entries":{}}`, "nothing", "", `it has no layer "admin", only ["global config"]`},
		{`{"layers":["admin"],"entries":{"a":{"layer_values":[]}}}`, "a", "", ""},
		{`nonsense`, "a", "", "invalid character"},
	} {
		got, err := parseRuntime([]byte(test.data), test.key)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s of %s: got %q, %v; want %q, %q", test.key, test.data, got, err, test.want, test.err)
		}
	}
}

func TestOverrideRuntime(t *testing.T) {
	var asked []string
	status := http.StatusOK
	m, _ := meshWith(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.RequestURI())
		w.WriteHeader(status)
		_, _ = io.WriteString(w, overridden)
	})
	if err := m.OverrideRuntime(t.Context(), checkout, "a.b", "0"); err != nil {
		t.Error(err)
	}
	if err := m.OverrideRuntime(t.Context(), checkout, "a.b", ""); err != nil {
		t.Error(err)
	}
	if got, err := m.RuntimeOverride(t.Context(), checkout, "fault.http.max_active_faults"); err != nil || got != "0" {
		t.Errorf("got %q, %v", got, err)
	}
	want := "[POST /runtime_modify?a.b=0 POST /runtime_modify?a.b= GET /runtime]"
	if got := fmt.Sprint(asked); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	status = http.StatusServiceUnavailable
	err := m.OverrideRuntime(t.Context(), checkout, "a.b", "0")
	if err == nil || !strings.Contains(err.Error(), "post /runtime_modify?a.b=0 of "+checkout.String()+": answered 503") {
		t.Errorf("of a refusal: %v", err)
	}
}
