package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// connection is a rest.Config as it goes to another process. A kubeconfig would
// not do: it has no place for some of this, and drops credentials on plain HTTP.
type connection struct {
	Host, APIPath             string
	TLS                       rest.TLSClientConfig
	Username, Password, Token string
	TokenFile                 string
	Impersonate               rest.ImpersonationConfig
	Exec                      *clientcmdapi.ExecConfig
	ExecCluster               json.RawMessage `json:",omitempty"` // Exec.Config, which JSON leaves out
	ExecPolicy                string          // the same of Exec.PluginPolicy
	ExecAllowed               []string
	Proxy                     string // of this one host; empty: as the environment says
	DisableCompression        bool
	UserAgent                 string
}

// newConnection takes from config all that another process needs to reach the
// same cluster as the same user. What is code cannot be taken along.
func newConnection(config *rest.Config) (connection, error) {
	var errs []error
	for _, code := range []struct {
		there bool
		name  string
	}{
		{config.Transport != nil, "Transport"},
		{config.WrapTransport != nil, "WrapTransport"},
		{config.Dial != nil, "Dial"},
		{config.AuthProvider != nil, "AuthProvider"},
	} {
		if code.there {
			errs = append(errs, fmt.Errorf("the rest.Config has a %s, which is code of this process", code.name))
		}
	}
	proxy, err := proxyOf(config)
	errs = append(errs, err)
	c := connection{
		Host: config.Host, APIPath: config.APIPath, TLS: config.TLSClientConfig,
		Username: config.Username, Password: config.Password, Token: config.BearerToken, TokenFile: config.BearerTokenFile,
		Impersonate: config.Impersonate, Exec: config.ExecProvider, Proxy: proxy,
		DisableCompression: config.DisableCompression, UserAgent: config.UserAgent,
	}
	if exec := config.ExecProvider; exec != nil {
		c.ExecPolicy = string(exec.PluginPolicy.PolicyType)
		for _, entry := range exec.PluginPolicy.Allowlist {
			c.ExecAllowed = append(c.ExecAllowed, entry.Command)
		}
		if exec.Config != nil {
			c.ExecCluster, err = json.Marshal(exec.Config)
			errs = append(errs, err)
		}
	}
	return c, errors.Join(errs...)
}

// proxyOf asks config's choice of a proxy about the API server.
func proxyOf(config *rest.Config) (string, error) {
	if config.Proxy == nil {
		return "", nil // the environment's, which the child has too
	}
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return "", err
	}
	request := &http.Request{Method: http.MethodGet, URL: server, Header: http.Header{}}
	chosen, err := config.Proxy(request)
	if err != nil {
		return "", fmt.Errorf("the rest.Config's Proxy: %w", err)
	}
	if chosen != nil {
		return chosen.String(), nil
	}
	if ambient, err := http.ProxyFromEnvironment(request); ambient != nil || err != nil {
		return "", errors.New("the rest.Config's Proxy chooses none, and the environment has one")
	}
	return "", nil
}

// config returns what newConnection was made from.
func (c connection) config() (*rest.Config, error) {
	config := &rest.Config{
		Host: c.Host, APIPath: c.APIPath, TLSClientConfig: c.TLS,
		Username: c.Username, Password: c.Password, BearerToken: c.Token, BearerTokenFile: c.TokenFile,
		Impersonate: c.Impersonate, ExecProvider: c.Exec,
		DisableCompression: c.DisableCompression, UserAgent: c.UserAgent,
	}
	if c.Proxy != "" {
		proxy, err := url.Parse(c.Proxy)
		if err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		config.Proxy = http.ProxyURL(proxy)
	}
	if exec := config.ExecProvider; exec != nil {
		exec.StdinUnavailable, exec.StdinUnavailableMessage = true, "the guard's standard input is its parent's word"
		exec.PluginPolicy.PolicyType = clientcmdapi.PolicyType(c.ExecPolicy)
		for _, command := range c.ExecAllowed {
			exec.PluginPolicy.Allowlist = append(exec.PluginPolicy.Allowlist, clientcmdapi.AllowlistEntry{Command: command})
		}
		if c.ExecCluster != nil {
			exec.Config = &runtime.Unknown{Raw: c.ExecCluster, ContentType: runtime.ContentTypeJSON}
		}
	}
	return config, nil
}
