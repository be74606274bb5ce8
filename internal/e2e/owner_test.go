package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// ownerCase is one case of ../../injector/testdata/owners.yaml, which says what
// its fields mean.
type ownerCase struct {
	Claim             string
	Alone, Local, Tie bool
	Service           struct {
		Name, Host string
		Port       int
	}
	From    injector.Callers
	Objects map[string]map[string]any
	Owners  []string
	Refused string
	Truth   map[string][]string
}

// id makes the names of a case its own.
func id(n int) string { return fmt.Sprintf("payments%02d", n) }

// ownerCases reads the table, with each case's own names in place of payments.
func ownerCases(t *testing.T) []ownerCase {
	t.Helper()
	text, err := os.ReadFile("../../injector/testdata/owners.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var table struct{ Cases []any }
	if err := yaml.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	cases := make([]ownerCase, len(table.Cases))
	for n, c := range table.Cases {
		own, err := yaml.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		own = []byte(strings.NewReplacer("payments", id(n), "Payments", "P"+id(n)[1:]).Replace(string(own)))
		if err := yaml.Unmarshal(own, &cases[n]); err != nil {
			t.Fatal(err)
		}
	}
	return cases
}

// world is what the cases have in common: a second caller, and for each case a
// Service, a ServiceEntry and a host of the gateways.
func ownersWorld(cases []ownerCase) string {
	text := `
apiVersion: v1
kind: Namespace
metadata: {name: web, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: infra}
---
apiVersion: v1
kind: Service
metadata: {name: sentinel, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: shop, image: faultline/shop, env: [{name: ROLE, value: inventory}], ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: shop}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
`
	narrow := []string{"web/nobody.example"}
	for n := range cases {
		narrow = append(narrow, "web/only."+id(n)+".example")
		text += strings.ReplaceAll(`
---
apiVersion: v1
kind: Service
metadata: {name: ID, namespace: shop}
spec: {ports: [{name: http, port: 80}, {name: http-b, port: 8081}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ID, namespace: shop}
spec: {hosts: [a.b.ID.example], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 127.0.0.1}]}
`, "ID", id(n))
	}
	return text + `
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: narrow, namespace: shop}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [` + strings.Join(narrow, ", ") + `]}]}
`
}

// ownersIn returns the VirtualServices whose routes a proxy uses for the service
// of a case, or for its hosts at a gateway, as namespace/name.
func ownersIn(t *testing.T, dump string, n int, c ownerCase, gateway bool) []string {
	t.Helper()
	var content struct {
		Configs []struct {
			RouteConfig struct {
				Name         string
				VirtualHosts []struct {
					Name   string
					Routes []struct {
						Metadata struct {
							FilterMetadata struct {
								Istio struct{ Config string }
							} `json:"filter_metadata"`
						}
					}
				} `json:"virtual_hosts"`
			} `json:"route_config"`
		}
	}
	if err := json.Unmarshal([]byte(dump), &content); err != nil {
		t.Fatal(err)
	}
	host, port := id(n)+".shop.svc.cluster.local", max(80, c.Service.Port)
	if c.Service.Host != "" {
		host = c.Service.Host
	}
	owners := map[string]bool{}
	for _, config := range content.Configs {
		for _, v := range config.RouteConfig.VirtualHosts {
			ours := v.Name == fmt.Sprintf("%s:%d", host, port) && (port == 80 || !strings.HasSuffix(config.RouteConfig.Name, "15080"))
			if gateway {
				ours = strings.Contains(v.Name, id(n)+".example")
			}
			if !ours {
				continue
			}
			for _, route := range v.Routes {
				parts := strings.Split(route.Metadata.FilterMetadata.Istio.Config, "/")
				if len(parts) == 8 && parts[6] == "virtual-service" {
					owners[parts[5]+"/"+strings.TrimSuffix(parts[7], "-"+id(n))] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(owners))
}

// fault is what a case asks about, as a fault.
func (c ownerCase) fault(n int) injector.Fault {
	on := injector.Service{Namespace: "shop", Name: id(n), Port: c.Service.Port}
	if c.Service.Host != "" {
		on = injector.Service{Namespace: "shop", Host: c.Service.Host}
	}
	return injector.Fault{On: on, From: c.From, Site: injector.Caller, Effect: injector.Abort{HTTPStatus: 418, Percent: 100}}
}

// asking is a case with its plan and what the callers' proxies have.
type asking struct {
	ownerCase
	n     int
	plan  injector.Plan
	err   error
	found map[string][]string // owners in the routes of each caller
}

// ask plans a case, and looks whose routes the callers have for it.
func (m *ownersMesh) ask(n int, c ownerCase, dumps map[string]string) asking {
	m.Helper()
	a := asking{ownerCase: c, n: n, found: map[string][]string{}}
	limits := injector.BlastRadius{Namespaces: []string{"shop", "web", "infra"}}
	a.plan, a.err = m.in.Plan(m.Context(), injector.NewRunID(), []injector.Fault{c.fault(n)}, limits, m.in.Now().Add(time.Hour))
	for caller, proxy := range m.callers {
		a.found[caller] = ownersIn(m.T, dumps[caller], n, c, proxy.Gateway)
	}
	return a
}

// wrong returns what does not fit together.
func (a asking) wrong(callers map[string]observe.Proxy) (wrong []string) {
	c, n := a.ownerCase, a.n
	complain := func(format string, args ...any) { wrong = append(wrong, c.Claim+": "+fmt.Sprintf(format, args...)) }
	refused, _, _ := strings.Cut(c.Refused, "VirtualService ") // objects have other names here
	if (a.err != nil) != (c.Refused != "") || a.err != nil && !strings.Contains(a.err.Error(), refused) {
		complain("planned with %v, want %q", a.err, c.Refused)
	}
	var owners []string
	for _, edit := range a.plan.Edits {
		if edit.Before != nil {
			owners = append(owners, edit.Ref.Namespace+"/"+strings.TrimSuffix(edit.Ref.Name, "-"+id(n)))
		}
	}
	slices.Sort(owners)
	if want := slices.Sorted(slices.Values(c.Owners)); !slices.Equal(owners, want) {
		complain("planned edits of %q, want %q", owners, want)
	}
	for caller, proxy := range callers {
		want, told := c.Truth[caller]
		if !told {
			if c.Truth != nil || c.Refused != "" || !asked(c.From, proxy) {
				continue
			}
			want = owners
		}
		if got := a.found[caller]; !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			complain("the proxy of %s has the routes of %q, want %q", caller, got, want)
		}
	}
	return wrong
}

// asked says whether a case is about the caller in a proxy.
func asked(from injector.Callers, p observe.Proxy) bool {
	for name, value := range from.Labels {
		if p.Labels[name] != value {
			return false
		}
	}
	return p.Gateway == (from.Gateway != "") && (from.Namespace == "" || from.Namespace == p.Namespace)
}

// What the planner calls the owner is what the proxies' routes come from; and a
// fault that is put there is in the proxies in which it is said to be.
func TestOwnersAreThoseOfIstiod(t *testing.T) {
	cases := ownerCases(t)
	m := newOwnersMesh(t, cases)
	together, rounds := map[int]ownerCase{}, []map[int]ownerCase{}
	for n, c := range cases {
		switch {
		case c.Local:
		case c.Alone:
			rounds = append(rounds, map[int]ownerCase{n: c})
		default:
			together[n] = c
		}
	}
	checked := 0
	for _, round := range append(rounds, together) {
		m.apply(round)
		dumps := m.settle()
		plans := map[string]injector.Plan{}
		for n, c := range round {
			a := m.ask(n, c, dumps)
			for _, complaint := range a.wrong(m.callers) {
				t.Error(complaint)
			}
			m.refute(a)
			if len(a.plan.Edits) > 0 {
				plans[c.Claim] = a.plan
			}
			checked++
		}
		m.inject(plans)
		m.clear()
	}
	t.Logf("%d cases hold in %d proxies", checked, len(m.callers))
	noLeftovers(t)
}

// refute makes false claims of a case, each of which must be noticed.
func (m *ownersMesh) refute(a asking) {
	m.Helper()
	other := a
	other.Owners = append([]string{"shop/other"}, a.Owners...)
	if wrong := other.wrong(m.callers); len(wrong) != 1 {
		m.Errorf("%s: another owner was claimed, and noticed as %q", a.Claim, wrong)
	}
	other = a
	other.Truth = map[string][]string{"shop": {"shop/other"}, "web": {"shop/other"}, "gateway": {"shop/other"}}
	if wrong := other.wrong(m.callers); len(wrong) != len(m.callers) {
		m.Errorf("%s: other routes were claimed for %d proxies, and noticed as %q", a.Claim, len(m.callers), wrong)
	}
}
