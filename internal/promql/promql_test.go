package promql

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers every query with one text, and keeps what it was asked with.
type server struct {
	*httptest.Server
	status int
	body   string
	asked  http.Header
	query  string
}

func serve(t *testing.T, make func(http.Handler) *httptest.Server, status int, body string) *server {
	t.Helper()
	s := &server{status: status, body: body}
	s.Server = make(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked, s.query = r.Header, r.FormValue("query")
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

func success(kind, result string) string {
	return fmt.Sprintf(`{"status":"success","data":{"resultType":%q,"result":%s}}`, kind, result)
}

func TestAnswers(t *testing.T) {
	const pods = `[{"metric":{"pod":"a"},"value":[1,"0.5"]},{"metric":{"pod":"b"},"value":[1,"NaN"]},{"metric":{},"value":[1,"+Inf"]}]`
	for name, test := range map[string]struct{ body, text string }{
		"scalar":    {success("scalar", `[1,"42"]`), "42"},
		"vector":    {success("vector", pods), `0.5 {pod="a"}, +Inf`},
		"empty":     {success("vector", `[]`), "no data"},
		"0/0":       {success("vector", `[{"metric":{},"value":[1,"NaN"]}]`), "no number in 1 elements (NaN, as of 0/0)"},
		"many":      {success("vector", "["+strings.Repeat(`{"metric":{},"value":[1,"1"]},`, 6)+`{"metric":{},"value":[1,"1"]}]`), "1, 1, 1, 1, 1, and 2 more"},
		"scalar 0/": {success("scalar", `[1,"NaN"]`), "no number in 1 elements (NaN, as of 0/0)"},
	} {
		s := serve(t, httptest.NewServer, http.StatusOK, test.body)
		answer, err := Ask(t.Context(), Server{URL: s.URL}, "up")
		if err != nil || answer.String() != test.text || s.query != "up" {
			t.Errorf("%s: got %q, %v of query %q; want %q", name, answer, err, s.query, test.text)
		}
	}
}

func TestErrors(t *testing.T) {
	for want, test := range map[string]struct {
		status int
		body   string
	}{
		`the server refuses it: invalid parameter "query": 1:5: parse error: unclosed left parenthesis`: {
			http.StatusBadRequest, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis"}`,
		},
		"the server refuses it: many-to-many matching not allowed": {
			http.StatusUnprocessableEntity, `{"status":"error","errorType":"execution","error":"many-to-many matching not allowed"}`,
		},
		"the server does not answer it: client_error: client error: 401; is it a Prometheus, and are the credentials right?":     {http.StatusUnauthorized, "who are you?"},
		"the server does not answer it: bad_response: bad response code 302; is it a Prometheus, and are the credentials right?": {http.StatusFound, ""},
		"the server does not answer it: server_error: server error: 503; is it a Prometheus, and are the credentials right?":     {http.StatusServiceUnavailable, ""},
		"it gives a range vector, want a scalar or an instant vector, as rate(…[30s]) or last_over_time(…[30s]) makes of it":     {http.StatusOK, success("matrix", `[]`)},
		"it gives native histograms, want numbers, as histogram_quantile(0.99, …) makes of them": {
			http.StatusOK, success("vector", `[{"metric":{},"histogram":[1,{"count":"1","sum":"1","buckets":[]}]}]`),
		},
	} {
		s := serve(t, httptest.NewServer, test.status, test.body)
		_, err := Ask(t.Context(), Server{URL: s.URL}, "sum(up")
		if want = fmt.Sprintf("query %q at %s: %s", "sum(up", s.URL, want); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

func TestServersThatAreNotThere(t *testing.T) {
	s := serve(t, httptest.NewServer, http.StatusOK, "")
	s.Close()
	if _, err := Ask(t.Context(), Server{URL: s.URL}, "up"); err == nil || !strings.Contains(err.Error(), "the server cannot be reached: dial tcp ") {
		t.Errorf("got %v", err)
	}
	ended := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // with its body unread the server does not notice that the client is gone
		<-r.Context().Done()
		close(ended)
	}))
	t.Cleanup(silent.Close)
	if _, err := Ask(t.Context(), Server{URL: silent.URL, Timeout: 50 * time.Millisecond}, "up"); err == nil || !strings.HasSuffix(err.Error(), ": no answer within 50ms") {
		t.Errorf("got %v", err)
	}
	<-ended
	text := serve(t, httptest.NewServer, http.StatusOK, success("string", `[1,"x"]`))
	if _, err := Ask(t.Context(), Server{URL: text.URL}, `"x"`); err == nil || !strings.Contains(err.Error(), "its answer cannot be read: ") {
		t.Errorf("got %v", err)
	}
	if _, err := Ask(t.Context(), Server{}, ""); err == nil || !strings.Contains(err.Error(), "the query is empty") {
		t.Errorf("got %v", err)
	}
}

// Credentials go to the server, are read anew each time, and are in no message.
func TestCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("s3cret-1\n")
	t.Setenv("PROMQL_TEST_SECRET", "s3cret-2")
	s := serve(t, httptest.NewServer, http.StatusUnauthorized, "no")
	for _, test := range []struct {
		server Server
		want   string
	}{
		{Server{BearerTokenFile: file}, "Bearer s3cret-1"},
		{Server{BearerTokenEnv: "PROMQL_TEST_SECRET"}, "Bearer s3cret-2"},
		{Server{Username: "ada", PasswordEnv: "PROMQL_TEST_SECRET"}, "Basic YWRhOnMzY3JldC0y"},
		{Server{Username: "ada", PasswordFile: file}, "Basic YWRhOnMzY3JldC0x"},
		{Server{}, ""},
	} {
		test.server.URL = s.URL
		_, err := Ask(t.Context(), test.server, "up")
		if got := s.asked.Get("Authorization"); got != test.want {
			t.Errorf("%+v sends %q, want %q", test.server, got, test.want)
		}
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got %v", err)
		}
	}
	write("s3cret-3")
	if _, err := Ask(t.Context(), Server{URL: s.URL, BearerTokenFile: file}, "up"); err == nil || s.asked.Get("Authorization") != "Bearer s3cret-3" {
		t.Errorf("the token was not read anew: %s, %v", s.asked.Get("Authorization"), err)
	}
	if _, err := Ask(t.Context(), Server{URL: s.URL, BearerTokenEnv: "PROMQL_TEST_NONE"}, "up"); err == nil ||
		!strings.HasSuffix(err.Error(), "bearerTokenEnv: the environment has no PROMQL_TEST_NONE") {
		t.Errorf("got %v", err)
	}
}

func TestTLS(t *testing.T) {
	s := serve(t, httptest.NewTLSServer, http.StatusOK, success("scalar", `[1,"42"]`))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if _, err := Ask(t.Context(), Server{URL: s.URL}, "up"); err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("got %v", err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if answer, err := Ask(t.Context(), Server{URL: s.URL, CAFile: ca}, "up"); err != nil || answer.String() != "42" {
		t.Errorf("got %v, %v", answer, err)
	}
}

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		server Server
		want   []string
	}{
		{Server{URL: "http://p:9090/team/a"}, nil},
		{Server{}, []string{"url: is missing, want that of a Prometheus server, such as http://prometheus.istio-system:9090"}},
		{Server{URL: "p:9090"}, []string{`url: found "p:9090", want http or https, a host and a port, such as http://prometheus.istio-system:9090`}},
		{Server{URL: "http://ada:pw@p"}, []string{"url: holds a user, want it in username, and the password in passwordFile or passwordEnv"}},
		{Server{URL: "http://p/?query=up"}, []string{`url: found "http://p/?query=up", want only the server's address; the query has a field of its own`}},
		{
			Server{URL: "http://p", BearerTokenFile: "a", BearerTokenEnv: "B", Timeout: -time.Second},
			[]string{"bearerTokenFile: found bearerTokenEnv, too, want one of them", "timeout: -1s is negative, want a duration such as 2s"},
		},
		{Server{URL: "http://p", Username: "ada", PasswordFile: "a", PasswordEnv: "B"}, []string{"passwordFile: found passwordEnv, too, want one of them"}},
		{Server{URL: "http://p", PasswordFile: "a"}, []string{"username: is missing, want whose password it is"}},
		{Server{URL: "http://p", Username: "ada", BearerTokenEnv: "B"}, []string{"username: found a bearer token, too, want one of them"}},
	} {
		var got []string
		for _, err := range test.server.Problems() {
			got = append(got, err.Error())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test.server, diff)
		}
	}
}
