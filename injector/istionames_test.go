package injector

import "testing"

func TestNamesAreReadAsIstioReadsThem(t *testing.T) {
	for _, c := range []struct{ name, got, want string }{
		{"a short name belongs to the namespace", ResolveHost("Payments", "shop", "cluster.local"), "payments.shop.svc.cluster.local"},
		{"a dot makes a name whole", ResolveHost("payments.shop", "web", "cluster.local"), "payments.shop"},
		{"the narrower host", CommonHost("*.example", "shop.example"), "shop.example"},
		{"hosts apart", CommonHost("shop.example", "other.example"), ""},
		{"a gateway of the namespace", ResolveGateway("public", "shop"), "shop/public"},
		{"the mesh", ResolveGateway("mesh", "shop"), "mesh"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, c.got, c.want)
		}
	}
	if !HostMatches("*.local", "a.b.svc.cluster.local") || HostMatches("b.local", "a.b.local") {
		t.Error("HostMatches")
	}
	if !SpeaksHTTP("grpc-web", false) || SpeaksHTTP("mongo", false) {
		t.Error("SpeaksHTTP")
	}
}
