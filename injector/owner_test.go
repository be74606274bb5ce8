package injector

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// vs makes a VirtualService from "namespace/name", its age as a day of January
// 2026, and its spec as YAML in one line. Without http it gets a plain route.
func vs(t *testing.T, ref string, day int, spec string) *unstructured.Unstructured {
	t.Helper()
	namespace, name, _ := strings.Cut(ref, "/")
	if !strings.Contains(spec, "http:") {
		spec += ", http: [{route: [{destination: {host: x}}]}]"
	}
	return decodeOne(t, fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {namespace: %s, name: %s, creationTimestamp: "2026-01-%02dT00:00:00Z"}
spec: {%s}
`, namespace, name, day, spec))
}

func TestFindOwner(t *testing.T) {
	const fqdn = "payments.shop.svc.cluster.local"
	type objects = []*unstructured.Unstructured
	tests := map[string]struct {
		objects objects
		want    string // namespace/name, "" for none
		notes   string // part of the note
		refused string // part of the refusal
	}{
		"nothing there": {},
		"a short name in its own namespace": {
			objects: objects{vs(t, "shop/a", 1, "hosts: [payments]")}, want: "shop/a",
		},
		"a short name in another namespace is another service": {
			objects: objects{vs(t, "web/a", 1, "hosts: [payments]")},
		},
		"the whole name from anywhere, in any case": {
			objects: objects{vs(t, "infra/a", 1, "hosts: [Payments.Shop.svc.cluster.local]")}, want: "infra/a",
		},
		"bound to a gateway only": {
			objects: objects{vs(t, "shop/a", 1, "hosts: [payments], gateways: [ingress]")},
		},
		"bound to a gateway and the mesh": {
			objects: objects{vs(t, "shop/a", 1, "hosts: [payments], gateways: [ingress, mesh]")}, want: "shop/a",
		},
		"the oldest wins, wherever it stands in the list": {
			objects: objects{
				vs(t, "shop/a", 3, "hosts: [payments]"),
				vs(t, "infra/b", 2, "hosts: ["+fqdn+"]"),
			}, want: "infra/b",
		},
		"of one age the first by name wins": {
			objects: objects{
				vs(t, "shop/b", 2, "hosts: [payments]"),
				vs(t, "shop/a", 2, "hosts: [payments]"),
			}, want: "shop/a",
		},
		"of one age and name the first by namespace wins": {
			objects: objects{
				vs(t, "web/a", 2, "hosts: ["+fqdn+"]"),
				vs(t, "infra/a", 2, "hosts: ["+fqdn+"]"),
			}, want: "infra/a",
		},
		"an exact host beats an older wildcard": {
			objects: objects{
				vs(t, "shop/wild", 1, `hosts: ["*.shop.svc.cluster.local"]`),
				vs(t, "shop/exact", 2, "hosts: [payments]"),
			}, want: "shop/exact",
		},
		"a longer wildcard beats an older shorter one": {
			objects: objects{
				vs(t, "shop/short", 1, `hosts: ["*.svc.cluster.local"]`),
				vs(t, "shop/long", 2, `hosts: ["*.shop.svc.cluster.local"]`),
			}, want: "shop/long",
		},
		"a wildcard for another namespace": {
			objects: objects{vs(t, "shop/a", 1, `hosts: ["*.web.svc.cluster.local"]`)},
		},
		"one without HTTP routes leaves the host to the next": {
			objects: objects{
				vs(t, "shop/tcp", 1, "hosts: [payments], tcp: [], http: []"),
				vs(t, "shop/http", 2, "hosts: [payments]"),
			}, want: "shop/http",
		},
		"an exact one without HTTP routes keeps wildcards away": {
			objects: objects{
				vs(t, "shop/tcp", 2, "hosts: [payments], tcp: [], http: []"),
				vs(t, "shop/wild", 1, `hosts: ["*.shop.svc.cluster.local"]`),
			},
		},
		"of one wildcard twice, the first without HTTP routes keeps the second away": {
			objects: objects{
				vs(t, "shop/tcp", 1, `hosts: ["*.shop.svc.cluster.local"], http: []`),
				vs(t, "shop/http", 2, `hosts: ["*.shop.svc.cluster.local"]`),
			},
		},
		"a star for everything": {
			objects: objects{vs(t, "shop/a", 1, `hosts: ["*"]`)},
			refused: `VirtualService shop/a routes it with host "*"`,
		},
		"exported to all by a star among others": {
			objects: objects{vs(t, "shop/a", 1, `hosts: [payments], exportTo: [".", "*"]`)}, want: "shop/a",
		},
		"exported to nobody": {
			objects: objects{
				vs(t, "shop/a", 1, `hosts: [payments], exportTo: ["~"]`),
				vs(t, "shop/b", 2, "hosts: [payments]"),
			}, want: "shop/b",
		},
		"private to the service's namespace": {
			objects: objects{vs(t, "shop/a", 1, `hosts: [payments], exportTo: ["."]`)},
			want:    "shop/a", notes: "not exported to other namespaces",
		},
		"private to a caller's namespace": {
			objects: objects{vs(t, "web/a", 1, `hosts: [`+fqdn+`], exportTo: ["."]`)},
			want:    "web/a", notes: "not exported to other namespaces, namespace shop",
		},
		"a private one and an older public one": {
			objects: objects{
				vs(t, "shop/public", 1, "hosts: [payments]"),
				vs(t, "shop/private", 2, `hosts: [payments], exportTo: ["."]`),
			},
			refused: "depending on their namespace: VirtualService shop/public and VirtualService shop/private",
		},
		"the same one, exported by name and seen by all who can have another": {
			objects: objects{
				vs(t, "infra/a", 2, `hosts: [`+fqdn+`], exportTo: ["shop", "web"]`),
				vs(t, "web/b", 1, `hosts: [`+fqdn+`], exportTo: ["~"]`),
			},
			want: "infra/a", notes: "not exported to other namespaces",
		},
		"exported by name before public, even when younger": {
			objects: objects{
				vs(t, "infra/a", 2, `hosts: [`+fqdn+`], exportTo: ["shop"]`),
				vs(t, "infra/b", 1, `hosts: [`+fqdn+`]`),
			},
			refused: "VirtualService infra/b and VirtualService infra/a",
		},
		"a name that callers may use and Istio does not resolve": {
			objects: objects{
				vs(t, "shop/a", 1, "hosts: [payments.shop]"),
				vs(t, "shop/b", 2, "hosts: [payments]"),
			},
			refused: `VirtualService shop/a has host "payments.shop", which Istio does not take for ` + fqdn,
		},
		"such a name beside the whole one": {
			objects: objects{vs(t, "shop/a", 1, "hosts: [payments.shop, "+fqdn+"]")}, want: "shop/a",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			owners, notes, err := findOwners(test.objects, question{on: onPayments, domain: DefaultClusterDomain})
			got := ""
			for _, owner := range owners {
				got += owner.GetNamespace() + "/" + owner.GetName()
			}
			if got != test.want {
				t.Errorf("owner %q, want %q", got, test.want)
			}
			if joined := strings.Join(notes, "; "); !strings.Contains(joined, test.notes) || test.notes == "" && joined != "" {
				t.Errorf("notes %q, want %q", joined, test.notes)
			}
			if (err != nil) != (test.refused != "") || err != nil && !strings.Contains(err.Error(), test.refused) {
				t.Errorf("refused %v, want %q", err, test.refused)
			}
		})
	}
}

func TestFindOwnerInAnotherClusterDomain(t *testing.T) {
	list := []*unstructured.Unstructured{
		vs(t, "shop/a", 1, "hosts: [payments.shop.svc.cluster.local]"),
		vs(t, "shop/b", 2, "hosts: [payments]"),
	}
	owners, _, err := findOwners(list, question{on: onPayments, domain: "corp.example"})
	if err != nil || len(owners) != 1 || owners[0].GetName() != "b" {
		t.Errorf("owners %v, %v; want b", owners, err)
	}
}
