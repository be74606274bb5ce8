package guard

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// passed is config as it arrives in another process.
func passed(t *testing.T, config *rest.Config) *rest.Config {
	t.Helper()
	sent, err := newConnection(config)
	if err != nil {
		t.Fatal(err)
	}
	message, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var received connection
	if err := json.Unmarshal(message, &received); err != nil {
		t.Fatal(err)
	}
	arrived, err := received.config()
	if err != nil {
		t.Fatal(err)
	}
	return arrived
}

func TestWhatIsPassedOn(t *testing.T) {
	tests := map[string]*rest.Config{
		"nothing but a host":        {Host: "http://127.0.0.1:8001"},
		"a path":                    {Host: "https://example.test/clusters/c1", APIPath: "/apis"},
		"a token on plain HTTP":     {Host: "http://127.0.0.1:8001", BearerToken: "secret"},
		"a token and its file":      {Host: "https://example.test", BearerToken: "secret", BearerTokenFile: "/run/token"},
		"a name and a password":     {Host: "https://example.test", Username: "ada", Password: "secret"},
		"compression off":           {Host: "https://example.test", DisableCompression: true, UserAgent: "shop-tests"},
		"groups to impersonate":     {Host: "https://example.test", Impersonate: rest.ImpersonationConfig{Groups: []string{"ops"}}},
		"a user to impersonate":     {Host: "https://example.test", Impersonate: rest.ImpersonationConfig{UserName: "ada", UID: "7", Extra: map[string][]string{"a": {"b", "c"}}}},
		"certificates, both ways":   {Host: "https://example.test", TLSClientConfig: rest.TLSClientConfig{CertFile: "a", CertData: []byte("b"), KeyFile: "c", KeyData: []byte("d"), CAFile: "e", CAData: []byte("f")}},
		"another name, not checked": {Host: "https://example.test", TLSClientConfig: rest.TLSClientConfig{Insecure: true, ServerName: "api", NextProtos: []string{"http/1.1"}}},
	}
	for name, config := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(*config, *passed(t, config)); diff != "" {
				t.Errorf("it arrives otherwise (-sent +arrived):\n%s", diff)
			}
		})
	}
}

// A plugin arrives with all that it is called with, except this process' stdin.
func TestAPluginIsPassedOn(t *testing.T) {
	exec := &clientcmdapi.ExecConfig{
		Command: "get-token", Args: []string{"--cluster", "c1"}, Env: []clientcmdapi.ExecEnvVar{{Name: "A", Value: "b"}},
		APIVersion: "client.authentication.k8s.io/v1", InstallHint: "install it", ProvideClusterInfo: true,
		InteractiveMode: clientcmdapi.IfAvailableExecInteractiveMode,
		Config:          &runtime.Unknown{Raw: []byte(`{"audience":"c1"}`), ContentType: runtime.ContentTypeJSON},
		PluginPolicy: clientcmdapi.PluginPolicy{
			PolicyType: clientcmdapi.PluginPolicyAllowlist, Allowlist: []clientcmdapi.AllowlistEntry{{Command: "get-token"}},
		},
	}
	got := passed(t, &rest.Config{Host: "https://example.test", ExecProvider: exec}).ExecProvider
	want := *exec
	want.StdinUnavailable, want.StdinUnavailableMessage = true, got.StdinUnavailableMessage
	if !reflect.DeepEqual(*got, want) || got.StdinUnavailableMessage == "" {
		t.Errorf("got %#v with %s, want %#v", got, got.Config, want)
	}
}

func TestAProxyIsPassedOn(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "")
	through := func(proxy *url.URL) *rest.Config {
		return &rest.Config{Host: "https://example.test", Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Host != "example.test" {
				return nil, errors.New("asked about " + r.URL.Host)
			}
			return proxy, nil
		}}
	}
	proxy := &url.URL{Scheme: "http", User: url.UserPassword("ada", "secret"), Host: "proxy.test:3128"}
	got, err := passed(t, through(proxy)).Proxy(nil)
	if err != nil || got.String() != proxy.String() {
		t.Errorf("got %v, %v; want %s", got, err, proxy)
	}
	if arrived := passed(t, through(nil)); arrived.Proxy != nil {
		t.Error("no proxy arrives as one")
	}
}

// Whatever is missing of a connection is in the fields of rest.Config. A new one
// must be thought about here.
func TestEveryFieldIsThoughtOf(t *testing.T) {
	known := `Host APIPath ContentConfig Username Password BearerToken BearerTokenFile Impersonate AuthProvider
		AuthConfigPersister ExecProvider TLSClientConfig UserAgent DisableCompression Transport WrapTransport QPS Burst
		RateLimiter WarningHandler WarningHandlerWithContext Timeout Dial Proxy`
	for field := range reflect.TypeFor[rest.Config]().Fields() {
		if !strings.Contains(" "+strings.Join(strings.Fields(known), " ")+" ", " "+field.Name+" ") {
			t.Errorf("rest.Config has a field %s: does a guard need it?", field.Name)
		}
	}
}

func TestWhatCannotBePassedOn(t *testing.T) {
	tests := map[string]*rest.Config{
		"Transport":     {Transport: http.DefaultTransport},
		"WrapTransport": {WrapTransport: func(next http.RoundTripper) http.RoundTripper { return next }},
		"Dial":          {Dial: func(context.Context, string, string) (net.Conn, error) { return nil, nil }},
		"AuthProvider":  {AuthProvider: &clientcmdapi.AuthProviderConfig{}},
		"Proxy":         {Host: "https://example.test", Proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("no") }},
	}
	for name, config := range tests {
		_, err := newConnection(config)
		if err == nil || !strings.Contains(err.Error(), "rest.Config") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
