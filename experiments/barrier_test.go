package experiments

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// routesDump is what Envoy answers to resource=dynamic_route_configs.
func routesDump(routes ...string) string {
	var named []string
	for _, name := range routes {
		named = append(named, fmt.Sprintf(`{"name": %q, "match": {"prefix": "/"}, "route": {"cluster": "outbound|80||inventory.shop.svc.cluster.local"}}`, name))
	}
	return fmt.Sprintf(`{"configs": [
		{"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump.DynamicRouteConfig", "route_config": {"name": "8080", "virtual_hosts": []}},
		{"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump.DynamicRouteConfig", "version_info": "2026-11-23T05:46:54Z/7",
		 "route_config": {"name": "80", "virtual_hosts": [{"name": "inventory.shop.svc.cluster.local:80", "routes": [%s]}]}}]}`,
		strings.Join(named, ", "))
}

// listenersDump is what Envoy answers to resource=dynamic_listeners: one
// listener, with an HTTP filter in each of its states.
func listenersDump(filters map[string]string) string {
	var states []string
	for state, filter := range filters {
		states = append(states, fmt.Sprintf(`%q: {"version_info": "1", "listener": {"filter_chains": [{"filters": [{"typed_config": {"http_filters": [`+
			`{"name": %q}, {"name": "envoy.filters.http.router"}]}}]}]}}`, state, filter))
	}
	return fmt.Sprintf(`{"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump.DynamicListener", "name": "virtualInbound", %s}]}`,
		strings.Join(states, ", "))
}

func TestShows(t *testing.T) {
	caller := callerEdit(0, []string{"faultline-7f3a-0", "faultline-7f3a-1"})
	upstream := upstreamEdit(0, "faultline.7f3a", "payments-1")
	tests := []struct {
		name string
		dump string
		edit injector.Edit
		want bool
	}{
		{"a route of ours", routesDump("default", "faultline-7f3a-1"), caller, true},
		{"a route of ours, with the name of its match", routesDump("faultline-7f3a-0.jason"), caller, true},
		{"only routes of the user's", routesDump("default", "jason"), caller, false},
		{"a route of another run", routesDump("faultline-7f3b-0"), caller, false},
		{"a route of another fault of the run", routesDump("faultline-7f3a-2", "faultline-7f3a-10"), caller, false},
		{"no routes", routesDump(), caller, false},
		{"a filter in force", listenersDump(map[string]string{"active_state": "faultline.7f3a"}), upstream, true},
		{
			"a filter in force, while the listener before it drains",
			listenersDump(map[string]string{"active_state": "faultline.7f3a", "draining_state": "other"}), upstream, true,
		},
		{
			"a filter in a listener that only drains",
			listenersDump(map[string]string{"active_state": "other", "draining_state": "faultline.7f3a"}), upstream, false,
		},
		{
			"a filter in a listener that only warms up",
			listenersDump(map[string]string{"active_state": "other", "warming_state": "faultline.7f3a"}), upstream, false,
		},
		{"a filter in a listener that nothing takes the place of", listenersDump(map[string]string{"draining_state": "faultline.7f3a"}), upstream, false},
		{"the filter of another fault of the run", listenersDump(map[string]string{"active_state": "faultline.7f3a-2"}), upstream, false},
		{"a dump of nothing", `{}`, upstream, false},
		{"an empty list", `{"configs": []}`, caller, false},
		{"states that are not there", `{"configs": [{"name": "a", "active_state": null}, {}]}`, upstream, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := inForce([]byte(test.dump), test.edit.ShownIn)
			if err != nil || got != test.want {
				t.Errorf("got %t, %v; want %t", got, err, test.want)
			}
		})
	}
}

// An answer that is no config_dump says neither that the fault is there nor that
// it is gone.
func TestShowsTellsBrokenDumps(t *testing.T) {
	whole := routesDump("faultline-7f3a-0")
	for _, dump := range []string{"", "<html>", whole[:len(whole)-5], `[]`, `{"configs": {}}`} {
		shown, err := inForce([]byte(dump), callerEdit(0, []string{"faultline-7f3a-0"}).ShownIn)
		if shown || err == nil || !strings.HasPrefix(err.Error(), "config_dump: ") {
			t.Errorf("of %q: got %t, %v", dump, shown, err)
		}
	}
}

func TestSights(t *testing.T) {
	proxies := []observe.Proxy{
		sidecar("shop", "checkout-1"), sidecar("shop", "payments-1"), sidecar("shop", "payments-2"),
		sidecar("bank", "ledger-1"), sidecar("bank", "payments-1"),
		gateway("istio-system", "ingress-1"), gateway("shop", "egress-1"),
	}
	faults := []injector.Fault{callerFault, upstreamFault}
	seen := func(edits ...injector.Edit) string {
		var all []string
		for _, s := range sights(edits, faults, proxies) {
			all = append(all, fmt.Sprintf("%s %s %s %q", s.proxy, s.query, s.edit.Marker, s.service))
		}
		return strings.Join(all, "\n")
	}
	const (
		inRoutes    = ` resource=dynamic_route_configs faultline-7f3a- "inventory.shop"`
		inListeners = ` resource=dynamic_listeners faultline.7f3a ""`
	)
	tests := []struct {
		name  string
		edits []injector.Edit
		want  []string
	}{
		{
			"a Caller fault: every sidecar, no gateway",
			[]injector.Edit{callerEdit(0, []string{"r"})},
			[]string{
				"Pod shop/checkout-1" + inRoutes, "Pod shop/payments-1" + inRoutes, "Pod shop/payments-2" + inRoutes,
				"Pod bank/ledger-1" + inRoutes, "Pod bank/payments-1" + inRoutes,
			},
		},
		{
			"a Caller fault that is exported to one namespace",
			[]injector.Edit{callerEdit(0, []string{"r"}, "bank")},
			[]string{"Pod bank/ledger-1" + inRoutes, "Pod bank/payments-1" + inRoutes},
		},
		{
			"a Caller fault that is exported to its own namespace",
			[]injector.Edit{callerEdit(0, []string{"r"}, ".")},
			[]string{"Pod shop/checkout-1" + inRoutes, "Pod shop/payments-1" + inRoutes, "Pod shop/payments-2" + inRoutes},
		},
		{
			"an Upstream fault: the chosen pods of its namespace",
			[]injector.Edit{upstreamEdit(1, "faultline.7f3a", "payments-1", "payments-3")},
			[]string{"Pod shop/payments-1" + inListeners},
		},
		{
			"both",
			[]injector.Edit{callerEdit(0, []string{"r"}, "bank"), upstreamEdit(1, "faultline.7f3a", "payments-2")},
			[]string{"Pod bank/ledger-1" + inRoutes, "Pod bank/payments-1" + inRoutes, "Pod shop/payments-2" + inListeners},
		},
		{"no edits", nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, want := seen(test.edits...), strings.Join(test.want, "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

const checkoutPod = `
apiVersion: v1
kind: Pod
metadata: {name: checkout-1, namespace: shop}
spec: {containers: [{name: app}, {name: istio-proxy}]}
status: {phase: Running, podIP: 10.0.0.1}
`

// meshTrial is a trial of one Caller fault, in the mesh of api.
func meshTrial(t *testing.T, api *fakeAPI) *trial {
	t.Helper()
	mesh, err := observe.New(api.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := mesh.Close(); err != nil {
			t.Error(err)
		}
	})
	return &trial{
		Runner: api.runner(t), mesh: mesh, report: &Report{Run: "7f3a"},
		experiment: Experiment{Faults: []injector.Fault{callerFault}},
		plan:       injector.Plan{Edits: []injector.Edit{callerEdit(0, []string{"faultline-7f3a-0"})}},
	}
}

// A proxy that cannot be read neither shows a fault nor has dropped it.
func TestAwaitOfAProxyThatCannotBeRead(t *testing.T) {
	for _, present := range []bool{true, false} {
		trial := meshTrial(t, newFakeAPI(t, checkoutPod))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		c := trial.await(ctx, present)
		if c.Proxies != 1 || c.Max != 0 || len(c.Late) != 1 || !strings.HasPrefix(c.Late[0], "Pod shop/checkout-1 cannot be read: ") {
			t.Errorf("got %+v", c)
		}
	}
}

func TestAwaitWithoutProxies(t *testing.T) {
	api := newFakeAPI(t)
	trial := meshTrial(t, api)
	const nobody = "no proxy knows the faulted services, so the fault can hit nobody; do their callers have a sidecar?"
	if c := trial.await(t.Context(), true); c.Proxies != 0 || len(c.Late) != 1 || c.Late[0] != nobody {
		t.Errorf("after inject: %+v", c)
	}
	if c := trial.await(t.Context(), false); c.Proxies != 0 || len(c.Late) != 0 {
		t.Errorf("after revert: %+v", c)
	}
	api.refuse = func(*http.Request) int { return http.StatusForbidden }
	for _, present := range []bool{true, false} {
		if c := trial.await(t.Context(), present); len(c.Late) != 1 || !strings.HasPrefix(c.Late[0], "the proxies cannot be listed: ") {
			t.Errorf("when they cannot be listed: %+v", c)
		}
	}
}

func TestCallsService(t *testing.T) {
	inbound := observe.Host{Cluster: observe.Cluster{Direction: observe.Inbound, Port: 8080}}
	tests := []struct {
		name  string
		hosts []observe.Host
		want  bool
	}{
		{"a caller", []observe.Host{inbound, {Cluster: outbound("inventory.shop")}}, true},
		{"a caller of another service", []observe.Host{inbound, {Cluster: outbound("payments.shop")}}, false},
		{"a caller of a namesake", []observe.Host{{Cluster: outbound("inventory.bank")}}, false},
		{"nobody's caller", nil, false},
	}
	for _, test := range tests {
		if got := callsService(observe.ProxyState{Hosts: test.hosts}, "inventory.shop"); got != test.want {
			t.Errorf("%s: got %t", test.name, got)
		}
	}
}
