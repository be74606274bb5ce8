package injector

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// vs makes a VirtualService from "namespace/name", its age as a day of January
// 2026, and its spec as YAML in one line. Without http it gets a plain route.
func vs(tb testing.TB, ref string, day int, spec string) *unstructured.Unstructured {
	tb.Helper()
	namespace, name, _ := strings.Cut(ref, "/")
	if !strings.Contains(spec, "http:") {
		spec += ", http: [{route: [{destination: {host: x}}]}]"
	}
	return decodeOne(tb, fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {namespace: %s, name: %s, creationTimestamp: "2026-01-%02dT00:00:00Z"}
spec: {%s}
`, namespace, name, day, spec))
}

// ownerCase is one case of testdata/owners.yaml.
type ownerCase struct {
	Claim             string
	Alone, Local, Tie bool // for internal/e2e
	Service           struct {
		Name, Host string
		Port       int
	}
	From struct {
		Namespace, Gateway string
		Labels             map[string]string
	}
	Objects map[string]object // spec by namespace/name, with day
	Owners  []string
	Notes   string              // part of the note
	Refused string              // part of the refusal
	Truth   map[string][]string // for internal/e2e
}

type ownerTable struct {
	Gateways map[string]object // server by namespace/name
	Cases    []ownerCase
}

func loadOwners(t *testing.T) ownerTable {
	t.Helper()
	text, err := os.ReadFile("testdata/owners.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var table ownerTable
	if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(string(text), "only.*", "only.payments.example")), &table); err != nil {
		t.Fatal(err)
	}
	return table
}

// question returns what a case asks.
func (c ownerCase) question(table ownerTable) question {
	q := question{
		on:     Service{Namespace: "shop", Name: "payments", Port: c.Service.Port},
		ports:  []int64{80, 8081},
		from:   Callers{Namespace: c.From.Namespace, Labels: c.From.Labels, Gateway: c.From.Gateway},
		domain: DefaultClusterDomain,
	}
	if c.Service.Host != "" {
		q.on = Service{Namespace: "shop", Host: c.Service.Host}
	}
	if c.Service.Port != 0 {
		q.ports = []int64{int64(c.Service.Port)}
	}
	if server, found := table.Gateways[c.From.Gateway]; found {
		q.gateway = &unstructured.Unstructured{Object: object{
			"kind": "Gateway", "metadata": object{"namespace": "shop"}, "spec": object{"servers": []any{server}},
		}}
	}
	return q
}

// list returns a case's objects, in no order that means anything.
func (c ownerCase) list() []*unstructured.Unstructured {
	var list []*unstructured.Unstructured
	for ref, spec := range c.Objects {
		day := max(1, number(spec["day"]))
		delete(spec, "day")
		if spec["http"] == nil {
			spec["http"] = []any{object{"route": []any{object{"destination": object{"host": "payments"}}}}}
		}
		namespace, name, _ := strings.Cut(ref, "/")
		list = append(list, &unstructured.Unstructured{Object: object{
			"apiVersion": virtualServices.GroupVersion().String(), "kind": kindVirtualService,
			"metadata": object{
				"namespace": namespace, "name": name,
				"creationTimestamp": time.Date(2026, 1, int(day), 0, 0, 0, 0, time.UTC).Format(time.RFC3339),
			},
			"spec": asDecoded(spec),
		}})
	}
	return list
}

// asDecoded makes whole numbers the int64 that they are in the API's objects.
func asDecoded(value any) any {
	switch v := value.(type) {
	case object:
		for key, member := range v {
			v[key] = asDecoded(member)
		}
	case []any:
		for i, member := range v {
			v[i] = asDecoded(member)
		}
	case float64:
		return int64(v)
	}
	return value
}

func TestFindOwners(t *testing.T) {
	table := loadOwners(t)
	claims := map[string]bool{}
	for _, c := range table.Cases {
		if claims[c.Claim] {
			t.Errorf("%q is claimed twice", c.Claim)
		}
		claims[c.Claim] = true
		t.Run(c.Claim, func(t *testing.T) {
			owners, notes, err := findOwners(c.list(), c.question(table))
			var got []string
			for _, owner := range owners {
				got = append(got, owner.GetNamespace()+"/"+owner.GetName())
			}
			if !slices.Equal(got, c.Owners) {
				t.Errorf("owners %q, want %q", got, c.Owners)
			}
			if joined := strings.Join(notes, "; "); !strings.Contains(joined, c.Notes) || c.Notes == "" && joined != "" {
				t.Errorf("notes %q, want %q", joined, c.Notes)
			}
			if (err != nil) != (c.Refused != "") || err != nil && !strings.Contains(err.Error(), c.Refused) {
				t.Errorf("refused %v, want %q", err, c.Refused)
			}
		})
	}
}

func TestFindOwnersInAnotherClusterDomain(t *testing.T) {
	list := []*unstructured.Unstructured{
		vs(t, "shop/a", 1, "hosts: [payments.shop.svc.cluster.local]"),
		vs(t, "shop/b", 2, "hosts: [payments]"),
	}
	owners, _, err := findOwners(list, question{on: onPayments, domain: "corp.example"})
	if err != nil || len(owners) != 1 || owners[0].GetName() != "b" {
		t.Errorf("owners %v, %v; want b", owners, err)
	}
}

func TestResolveGateway(t *testing.T) {
	for written, want := range map[string]string{
		"mesh":                          "mesh",
		"public":                        "web/public",
		"./public":                      "web/public",
		"shop/public":                   "shop/public",
		"public.shop":                   "shop/public",
		"public.shop.svc.cluster.local": "shop/public",
	} {
		if got := resolveGateway(written, "web"); got != want {
			t.Errorf("%s: %s, want %s", written, got, want)
		}
	}
}
