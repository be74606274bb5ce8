package experiments

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/rights"
)

func rightsOf(roles []rbacv1.Role, namespace string) []string {
	var texts []string
	for _, role := range roles {
		if role.Namespace == namespace {
			for _, right := range rights.Of(role.Rules) {
				texts = append(texts, strings.TrimSpace(fmt.Sprintf("%s %s %s", right.Verb, right.Resource, right.Name)))
			}
		}
	}
	slices.Sort(texts)
	return texts
}

func TestRoles(t *testing.T) {
	faulted := Experiment{
		Name:    "slow-payments",
		Faults:  []injector.Fault{{On: injector.Service{Namespace: "shop", Name: "payments"}, Site: injector.Upstream}},
		Gateway: "istio-system/istio-ingressgateway",
	}
	roles, cluster := roles(faulted, injector.Plan{}, false)
	if cluster != nil || len(roles) != 2 {
		t.Fatalf("got %v, %v; want a Role in shop and one in istio-system", roles, cluster)
	}
	want := []string{
		"create pods/portforward", "get pods/log", "get pods/portforward", "get services payments",
		"list destinationrules", "list envoyfilters", "list gateways", "list leases", "list pods", "list serviceentries",
		"list services", "list sidecars", "list virtualservices", "list workloadentries",
	}
	if got := rightsOf(roles, "shop"); !slices.Equal(got, want) {
		t.Errorf("in shop got  %q\nwant %q", got, want)
	}
	if got := rightsOf(roles, "istio-system"); !slices.Equal(got, []string{"get services istio-ingressgateway"}) {
		t.Errorf("in istio-system got %q", got)
	}
	if role := roles[0]; role.Kind != "Role" || role.APIVersion != "rbac.authorization.k8s.io/v1" || role.Name != "faultline-slow-payments" {
		t.Errorf("got %v", role)
	}
}

// An address by a node port takes the gateway's pods, and no right on nodes.
func TestRolesByNodePort(t *testing.T) {
	e := Experiment{
		Faults:  []injector.Fault{{On: injector.Service{Namespace: "shop", Name: "payments"}, Site: injector.Caller}},
		Gateway: "istio-system/istio-ingressgateway",
	}
	roles, cluster := roles(e, injector.Plan{}, true)
	if got := rightsOf(roles, "istio-system"); cluster != nil || !slices.Equal(got, []string{"get services istio-ingressgateway", "list pods"}) {
		t.Errorf("got %q, %v", got, cluster)
	}
}

// The proxies of callers that a fault names are looked at, wherever they are.
func TestRolesOfCallers(t *testing.T) {
	on := injector.Service{Namespace: "shop", Name: "payments"}
	e := Experiment{
		Faults: []injector.Fault{
			{On: on, Site: injector.Caller, From: injector.Callers{Namespace: "web"}},
			{On: on, Site: injector.Caller, From: injector.Callers{Gateway: "front/public"}},
		},
		Gateway: "istio-system/istio-ingressgateway",
	}
	roles, _ := roles(e, injector.Plan{}, false)
	want := []string{
		"create pods/portforward", "get pods/log", "get pods/portforward", "list destinationrules", "list gateways", "list pods",
		"list serviceentries", "list services", "list sidecars", "list virtualservices", "list workloadentries",
	}
	if got := rightsOf(roles, "web"); !slices.Equal(got, want) {
		t.Errorf("in web got %q", got)
	}
	for _, namespace := range []string{"front", "istio-system"} {
		if got := rightsOf(roles, namespace); !slices.Contains(got, "create pods/portforward") {
			t.Errorf("in %s got %q", namespace, got)
		}
	}
}

// Without a namespace to look at, all are looked at.
func TestRolesWithoutANamespace(t *testing.T) {
	got, cluster := roles(Experiment{Title: "routing"}, injector.Plan{}, false)
	if len(got) != 0 || cluster == nil || cluster.Kind != "ClusterRole" {
		t.Fatalf("got %v, %v; want a ClusterRole alone", got, cluster)
	}
	for _, right := range rights.Of(cluster.Rules) {
		if right.Verb != "list" && right.Resource != "pods/portforward" {
			t.Errorf("without a fault, got %v", right)
		}
	}
	e := Experiment{Title: "routing", BlastRadius: injector.BlastRadius{Namespaces: []string{"shop"}}}
	if got, cluster = roles(e, injector.Plan{}, false); len(got) != 1 || cluster != nil {
		t.Errorf("got %v, %v; want one Role", got, cluster)
	}
}

func TestRoleName(t *testing.T) {
	for name, want := range map[string]string{
		"slow-payments": "faultline-slow-payments",
		"Checkout answers, while payments is slow!": "faultline-checkout-answers-while-payments-is-slow",
		"": "faultline", "...": "faultline", "über": "faultline-ber",
		strings.Repeat("long name ", 50): "",
	} {
		got := roleName(Experiment{Name: name})
		if bad := validation.IsDNS1123Subdomain(got); len(bad) > 0 || want != "" && got != want {
			t.Errorf("of %q got %q (%q), want %q", name, got, bad, want)
		}
	}
}

func TestGives(t *testing.T) {
	rule := func(verbs, groups, resources string, names ...string) authorizationv1.ResourceRule {
		return authorizationv1.ResourceRule{
			Verbs: strings.Fields(verbs), APIGroups: strings.Split(groups, " "), Resources: strings.Fields(resources), ResourceNames: names,
		}
	}
	edit := rights.Right{Group: "x.io", Resource: "things", Verb: "update", Name: "a"}
	every := rights.Right{Group: "x.io", Resource: "things", Verb: "update"}
	log := rights.Right{Resource: "pods/log", Verb: "get"}
	for _, c := range []struct {
		rule  authorizationv1.ResourceRule
		right rights.Right
		want  bool
	}{
		{rule("*", "*", "*"), edit, true},
		{rule("get update", "x.io", "things"), edit, true},
		{rule("update", "x.io", "things", "a", "b"), edit, true},
		{rule("update", "x.io", "things", "b"), edit, false},
		{rule("update", "x.io", "things", "a"), every, false},
		{rule("update", "x.io", "things", ""), every, false},
		{rule("get", "x.io", "things"), edit, false},
		{rule("update", "y.io", "things"), edit, false},
		{rule("update", "x.io", "others"), edit, false},
		{rule("get", "", "pods/log"), log, true},
		{rule("get", "", "*/log"), log, true},
		{rule("get", "", "*"), log, true},
		{rule("get", "", "pods"), log, false},
		{rule("get", "x.io", "pods/log"), log, false},
	} {
		if got := gives(c.rule, c.right); got != c.want {
			t.Errorf("%v gives %v: got %t, want %t", c.rule, c.right, got, c.want)
		}
	}
}

// Rights that are missing are told all at once, before anything is written.
func TestRunWithoutRights(t *testing.T) {
	api := newFakeAPI(t, inventoryService, inventoryRoutes)
	api.refuse = func(r *http.Request) int {
		if strings.HasSuffix(r.URL.Path, "selfsubjectrulesreviews") {
			return http.StatusForbidden
		}
		return 0
	}
	_, err := api.runner(t).Run(t.Context(), newTarget(t).faulted())
	if err == nil || !strings.HasPrefix(err.Error(), "ask for the rights in namespace shop: ") || api.written() != "" {
		t.Errorf("got %v, written: %s", err, api.written())
	}
	api.refuse, api.denies = nil, true
	_, err = api.runner(t).Run(t.Context(), newTarget(t).faulted())
	input, ok := errors.AsType[*InputError](err)
	if !ok || api.written() != "" {
		t.Fatalf("got %v, written: %s", err, api.written())
	}
	for _, want := range []string{
		"update virtualservices.networking.istio.io inventory in namespace shop", "create leases.coordination.k8s.io in namespace shop",
		"get pods/log in namespace shop", "`faultline plan --roles`",
	} {
		if !strings.Contains(input.Error(), want) {
			t.Errorf("%v lacks %q", input, want)
		}
	}
}
