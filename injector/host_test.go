package injector

import (
	"regexp"
	"testing"
)

// matchesWhole says whether text as a whole matches, as proxies ask it.
func matchesWhole(t *testing.T, pattern, text string) bool {
	t.Helper()
	return regexp.MustCompile("^(?:" + pattern + ")$").MatchString(text)
}

func TestBaggagePattern(t *testing.T) {
	tests := map[string]bool{
		"faultline-run=7f3a":                        true,
		"a=1,faultline-run=7f3a":                    true,
		"faultline-run=7f3a,b=2":                    true,
		"a=1;p=x, faultline-run = 7f3a;ttl=1 , c=3": true,
		"a=1,\tfaultline-run=7f3a\t,b":              true,
		"faultline-run=7f3a0":                       false,
		"faultline-run=07f3a":                       false,
		"xfaultline-run=7f3a":                       false,
		"a=faultline-run=7f3a":                      false,
		"faultline-run=beef":                        false,
		"faultline-run":                             false,
		"":                                          false,
	}
	for header, want := range tests {
		if got := matchesWhole(t, baggagePattern(testRun), header); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
	if !matchesWhole(t, baggagePattern(testRun), Headers(testRun)[HeaderBaggage]) {
		t.Error("the header that load sends does not match")
	}
}

func TestAuthorityPattern(t *testing.T) {
	tests := map[string]bool{
		"payments":                             true,
		"Payments:80":                          true,
		"payments.shop":                        true,
		"payments.shop.svc":                    true,
		"payments.shop.svc.cluster.local":      true,
		"payments.shop.svc.cluster.local:8080": true,
		"payments.web":                         false,
		"payments.shop.svc.cluster":            false,
		"paymentsxshop":                        false,
		"orders":                               false,
		"payments:":                            false,
	}
	for host, want := range tests {
		if got := matchesWhole(t, authorityPattern(onPayments, DefaultClusterDomain), host); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}

func TestResolveHost(t *testing.T) {
	tests := map[string]string{
		"payments":       "payments.web.svc.cluster.local",
		"Payments":       "payments.web.svc.cluster.local",
		"payments.shop":  "payments.shop",
		"*":              "*",
		"*.shop":         "*.shop",
		"":               "",
		"api.Example.CO": "api.example.co",
	}
	for host, want := range tests {
		if got := resolveHost(host, "web", DefaultClusterDomain); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

func TestShortNameIsShared(t *testing.T) {
	tests := map[string]bool{
		"orders.shop.svc.cluster.local":   false,
		"payments.web.svc.cluster.local":  true,
		"payments.example.com":            false,
		"shop.example.com":                false,
		"*.shop.svc.cluster.local":        false,
		"*ments.shop.svc.cluster.local":   false,
		"*.example.com":                   false,
		"*":                               true,
		"*.local":                         true,
		"*.svc.cluster.local":             true,
		"*shop.svc.cluster.local":         true, // also payments.workshop
		"*.web.svc.cluster.local":         true,
		"payments2.web.svc.cluster.local": false,
	}
	for host, want := range tests {
		if got := shortNameIsShared([]string{host}, onPayments, DefaultClusterDomain); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}
