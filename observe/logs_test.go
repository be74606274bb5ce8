package observe

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

func TestLogs(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces/shop/pods/checkout-1/log" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(r.URL.Query().Encode()))
	}))
	defer api.Close()
	m, err := New(&rest.Config{Host: api.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	since := time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600))
	got, err := m.Logs(t.Context(), checkout, since)
	if want := "container=istio-proxy&sinceTime=2026-01-02T02%3A04%3A05Z"; err != nil || string(got) != want {
		t.Errorf("Logs asked for %s, %v, want %s", got, err, want)
	}
	got, err = m.Logs(t.Context(), checkout, time.Time{})
	if want := "container=istio-proxy"; err != nil || string(got) != want {
		t.Errorf("Logs asked for %s, %v, want %s", got, err, want)
	}
	_, err = m.Logs(t.Context(), frontend, time.Time{})
	if err == nil || !strings.HasPrefix(err.Error(), "get logs of Pod shop/frontend-1: ") {
		t.Errorf("error %v does not name the Pod", err)
	}
}

// body is a body with an end of one's choice.
type body struct {
	io.Reader
	closeErr error
}

func (b body) Close() error { return b.closeErr }

func TestReadBody(t *testing.T) {
	broken := errors.New("reset")
	for name, test := range map[string]struct {
		body body
		want string // "": an error
	}{
		"all of it":         {body{strings.NewReader("12345"), nil}, "12345"},
		"too much":          {body{strings.NewReader("123456"), nil}, ""},
		"broken":            {body{io.MultiReader(strings.NewReader("1"), errReader{broken}), nil}, ""},
		"broken at its end": {body{strings.NewReader("1"), broken}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readBody(test.body, 5)
			if string(got) != test.want || (err == nil) != (test.want != "") {
				t.Errorf("readBody = %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
