package promql

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/config"
)

// DefaultTimeout is how long one query may take if not told otherwise.
const DefaultTimeout = 2 * time.Second

// Server is a Prometheus server and how to show it who asks.
type Server struct {
	URL             string        // such as http://prometheus.istio-system:9090; a path in front of /api is kept
	BearerTokenFile string        // file that holds a bearer token, read anew for each query
	BearerTokenEnv  string        // environment variable that holds one
	Username        string        // of basic authentication
	PasswordFile    string        // file that holds its password
	PasswordEnv     string        // environment variable that holds it
	CAFile          string        // certificates to trust for https, in place of the system's
	Timeout         time.Duration // of each query; DefaultTimeout when zero
}

// Problems returns everything that is wrong with s; each error begins with the
// field's name in YAML. It reads no file and asks nobody.
func (s Server) Problems() []error {
	errs := append(s.wrongURL(), s.wrongCredentials()...)
	if s.Timeout < 0 {
		errs = append(errs, fmt.Errorf("timeout: %s is negative, want a duration such as 2s", s.Timeout))
	}
	return errs
}

func (s Server) wrongURL() []error {
	const such = "such as http://prometheus.istio-system:9090"
	if s.URL == "" {
		return []error{errors.New("url: is missing, want that of a Prometheus server, " + such)}
	}
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return []error{fmt.Errorf("url: found %q, want http or https, a host and a port, %s", s.shown(), such)}
	case u.User != nil:
		return []error{errors.New("url: holds a user, want it in username, and the password in passwordFile or passwordEnv")}
	case u.RawQuery != "" || u.Fragment != "":
		return []error{fmt.Errorf("url: found %q, want only the server's address; the query has a field of its own", s.shown())}
	}
	return nil
}

func (s Server) wrongCredentials() []error {
	var errs []error
	token := s.BearerTokenFile != "" || s.BearerTokenEnv != ""
	password := s.PasswordFile != "" || s.PasswordEnv != ""
	for _, wrong := range []struct {
		is   bool
		text string
	}{
		{s.BearerTokenFile != "" && s.BearerTokenEnv != "", "bearerTokenFile: found bearerTokenEnv, too, want one of them"},
		{s.PasswordFile != "" && s.PasswordEnv != "", "passwordFile: found passwordEnv, too, want one of them"},
		{password && s.Username == "", "username: is missing, want whose password it is"},
		{s.Username != "" && token, "username: found a bearer token, too, want one of them"},
	} {
		if wrong.is {
			errs = append(errs, errors.New(wrong.text))
		}
	}
	return errs
}

// shown is the URL without a password.
func (s Server) shown() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return s.URL
	}
	return u.Redacted()
}

// open returns a client that keeps no connection: nothing of it has to be closed.
func (s Server) open() (v1.API, error) {
	settings, err := s.settings()
	if err != nil {
		return nil, err
	}
	client, err := config.NewClientFromConfig(settings, "faultline", config.WithKeepAlivesDisabled(), config.WithHTTP2Disabled())
	if err != nil {
		return nil, err
	}
	client.Transport = bounded{client.Transport}
	api, err := api.NewClient(api.Config{Address: s.URL, Client: client})
	if err != nil {
		return nil, err
	}
	return v1.NewAPI(api), nil
}

// settings are those of the HTTP client. It follows no redirect: what is behind
// one is a page to log in, and must not get the credentials.
func (s Server) settings() (config.HTTPClientConfig, error) {
	settings := config.HTTPClientConfig{TLSConfig: config.TLSConfig{CAFile: s.CAFile}}
	token, errToken := secret("bearerTokenEnv", s.BearerTokenEnv)
	password, errPassword := secret("passwordEnv", s.PasswordEnv)
	if s.BearerTokenFile != "" || s.BearerTokenEnv != "" {
		settings.Authorization = &config.Authorization{Type: "Bearer", CredentialsFile: s.BearerTokenFile, Credentials: token}
	}
	if s.Username != "" {
		settings.BasicAuth = &config.BasicAuth{Username: s.Username, PasswordFile: s.PasswordFile, Password: password}
	}
	return settings, errors.Join(errToken, errPassword)
}

// secret reads an environment variable, if one is named.
func secret(field, name string) (config.Secret, error) {
	if name == "" {
		return "", nil
	}
	content := os.Getenv(name)
	if content == "" {
		return "", fmt.Errorf("%s: the environment has no %s", field, name)
	}
	return config.Secret(content), nil
}

// mostAnswer bounds what is read of one answer.
const mostAnswer = 8 << 20

// bounded cuts answers that are too long to be one of a few numbers.
type bounded struct{ next http.RoundTripper }

// RoundTrip does what its next one does.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err == nil {
		answer.Body = http.MaxBytesReader(nil, answer.Body, mostAnswer)
	}
	return answer, err
}
