package experiments

import (
	"slices"
	"strings"
	"testing"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/observe"
)

// The services between the load and the fault, the nearest to it first.
func TestPath(t *testing.T) {
	mesh := seen(
		sends(ingressProxy, map[string]int{"10.0.0.3 of frontend.shop": 50}),
		sends(frontendProxy, map[string]int{"10.0.0.1 of checkout.shop": 50, "10.0.0.1 of both.shop": 0, "10.0.0.3 of both.shop": 0}),
		sends(checkoutProxy, map[string]int{"10.0.0.2 of inventory.shop": 50}),
		sends(inventoryProxy, map[string]int{"127.0.0.1 of itself": 50}),
	)
	tests := []struct {
		name string
		hop  hop
		from []string
		seen observe.Change
		want string
	}{
		{"at the caller", callerHop, []string{checkoutProxy.String()}, mesh, "shop/checkout shop/frontend"},
		{"in the pods", upstreamHop, []string{inventoryProxy.String()}, mesh, "shop/checkout shop/frontend"},
		{"at the first service", callerHop, []string{frontendProxy.String()}, mesh, "shop/frontend"},
		{"at a gateway", callerHop, []string{ingressProxy.String()}, mesh, ""},
		{"everywhere", callerHop, nil, mesh, ""},
		{
			"where nobody saw who called, by the name that fits best", callerHop,
			[]string{checkoutProxy.String()},
			seen(sends(checkoutProxy, map[string]int{"10.0.0.1 of checkout.shop": 0, "10.0.0.1 of both.shop": 0, "10.0.0.3 of both.shop": 0})), "shop/checkout",
		},
		{"a pod of no service", callerHop, []string{checkoutProxy.String()}, seen(sends(checkoutProxy, nil)), "Pod shop/checkout-1"},
		{
			"a service that calls itself", callerHop,
			[]string{checkoutProxy.String()},
			seen(sends(checkoutProxy, map[string]int{"10.0.0.1 of checkout.shop": 9})), "shop/checkout",
		},
	}
	for _, test := range tests {
		if got := strings.Join(finding{hop: test.hop}.path(test.seen, test.from), " "); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// What is said of headers that arrive with all of the requests, some, or none.
func TestLacks(t *testing.T) {
	all := Firing{Proxy: "Pod shop/a-1", Reached: 60, Matched: 60, Fired: 60, known: true}
	none := Firing{Proxy: "Pod shop/a-2", Reached: 60, known: true}
	half := Firing{Proxy: "Pod shop/a-1", Reached: 120, Matched: 60, Fired: 60, known: true}
	once := Firing{Proxy: "Pod shop/a-1", Reached: 61, Matched: 60, Fired: 60, known: true}
	others := Firing{Proxy: "Pod shop/a-2", Reached: 60, Others: true, known: true}
	own := map[string]string{"end-user": "ada", "x-tier": "gold"}
	const run = "the run's header (baggage: faultline-run=…, or x-faultline-run)"
	const orOthers = "; or, if these are requests of others, limit the fault to the callers that the load passes (from)"
	tests := []struct {
		name string
		e    Evidence
		want string
	}{
		{"all", Evidence{Fired: 60, Proxies: []Firing{all}, Arrived: &Propagation{Reached: 60, Matched: 60}}, ""},
		{"not known", Evidence{Proxies: []Firing{{Proxy: "Pod shop/a-1", Reached: 60}}}, ""},
		{"no requests", Evidence{}, ""},
		{"one without, which may be anybody's", Evidence{Fired: 60, Proxies: []Firing{once}, Arrived: &Propagation{Reached: 61, Matched: 60}}, ""},
		{"the rest is of others", Evidence{Fired: 60, Proxies: []Firing{all, others}, Arrived: &Propagation{Reached: 60, Matched: 60}}, ""},
		{
			"none",
			Evidence{Proxies: []Firing{none}, Arrived: &Propagation{Reached: 60, Path: []string{"shop/a", "shop/b"}}},
			"the fault's requests do not arrive at its hop (F): 60 requests came there in the fault phase, and none of them carried " + run +
				" (Pod shop/a-2: 0 of 60); shop/a or shop/b does not forward the headers",
		},
		{
			"none, and nobody knows by whom",
			Evidence{Proxies: []Firing{none}, Arrived: &Propagation{Reached: 60}},
			"the fault's requests do not arrive at its hop (F): 60 requests came there in the fault phase, and none of them carried " + run +
				" (Pod shop/a-2: 0 of 60); let the services before that hop forward the headers",
		},
		{
			"none of the fault's own, which the load does not send",
			Evidence{Proxies: []Firing{none}, Arrived: &Propagation{Reached: 60}, headers: own, unsent: []string{"x-tier: gold"}},
			"the fault's requests do not arrive at its hop (F): 60 requests came there in the fault phase, and none of them carried " +
				"the fault's own headers (end-user: ada, x-tier: gold) (Pod shop/a-2: 0 of 60); the load does not send x-tier: gold: set it in load.header",
		},
		{
			"those of one of two callers",
			Evidence{Fired: 60, Proxies: []Firing{all, none}, Arrived: &Propagation{Reached: 120, Matched: 60, Path: []string{"shop/a"}}},
			"only some of the fault's requests arrive at its hop (F): of 120 requests that came there in the fault phase, 60 carried " + run +
				" (Pod shop/a-1: 60 of 60, Pod shop/a-2: 0 of 60); shop/a does not forward the headers to it" + orOthers,
		},
		{
			"half of one caller's",
			Evidence{Fired: 60, Proxies: []Firing{half}, Arrived: &Propagation{Reached: 120, Matched: 60, Path: []string{"shop/a"}}},
			"only some of the fault's requests arrive at its hop (F): of 120 requests that came there in the fault phase, 60 carried " + run +
				" (Pod shop/a-1: 60 of 120); shop/a does not forward the headers to it" + orOthers,
		},
		{
			"only others come there",
			Evidence{Proxies: []Firing{others}},
			"the load's requests do not come to the fault's hop (F): 60 requests came there in the fault phase without " + run +
				" (Pod shop/a-2: 0 of 60), and as many come without the load, too; does the app call the service for the load's URL?",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.e.Fault = "F"
			if got := test.e.lacks(DefaultAlpha); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestUnsent(t *testing.T) {
	fault := injector.Fault{Headers: map[string]string{"End-User": "ada", "x-tier": "gold"}}
	for name, test := range map[string]struct {
		sent map[string]string
		want []string
	}{
		"nothing":       {nil, []string{"End-User: ada", "x-tier: gold"}},
		"all":           {map[string]string{"end-user": "ada", "X-Tier": "gold"}, nil},
		"another value": {map[string]string{"end-user": "bob", "X-Tier": "gold"}, []string{"End-User: ada"}},
	} {
		if got := unsent(fault, test.sent); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	if got := unsent(injector.Fault{}, nil); got != nil {
		t.Errorf("of the run's own headers: %q", got)
	}
}
