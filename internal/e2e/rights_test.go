package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/rights"
)

// admin is a client that may do everything.
func admin(tb testing.TB) kubernetes.Interface {
	tb.Helper()
	config := rest.CopyConfig(cluster)
	config.QPS, config.Burst = 200, 400
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

// eventually fails the test when check does not become true within 20 s.
func eventually(tb testing.TB, what string, check func() bool) {
	tb.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !check(); <-tick.C {
		if time.Now().After(deadline) {
			tb.Fatalf("not within 20 s: %s", what)
		}
	}
}

// as returns how a user reaches the cluster who has the Roles and nothing more
// than everybody has. user must not have been used before.
func as(tb testing.TB, user string, roles []rbacv1.Role) *rest.Config {
	tb.Helper()
	client := admin(tb)
	config := rest.CopyConfig(cluster)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
	for _, role := range roles {
		role = *role.DeepCopy()
		role.Name = user
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: user, Namespace: role.Namespace},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		}
		_, errRole := client.RbacV1().Roles(role.Namespace).Create(tb.Context(), &role, metav1.CreateOptions{})
		_, errBinding := client.RbacV1().RoleBindings(role.Namespace).Create(tb.Context(), binding, metav1.CreateOptions{})
		if err := errors.Join(errRole, errBinding); err != nil {
			tb.Fatal(err)
		}
		first := rights.Of(role.Rules)[0] // the API server sees all rules of a Role at once
		resource, sub, _ := strings.Cut(first.Resource, "/")
		eventually(tb, user+" has its rights", func() bool {
			review, err := client.AuthorizationV1().SubjectAccessReviews().Create(tb.Context(), &authorizationv1.SubjectAccessReview{
				Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: role.Namespace, Verb: first.Verb, Group: first.Group, Resource: resource, Subresource: sub, Name: first.Name,
				}},
			}, metav1.CreateOptions{})
			return err == nil && review.Status.Allowed
		})
	}
	return config
}

// without returns the Roles less one right.
func without(roles []rbacv1.Role, namespace string, right rights.Right) []rbacv1.Role {
	var some []rbacv1.Role
	for _, role := range roles {
		role = *role.DeepCopy()
		if role.Namespace == namespace {
			role.Rules = rights.Rules(slices.DeleteFunc(rights.Of(role.Rules), func(r rights.Right) bool { return r == right }))
		}
		if len(role.Rules) > 0 {
			some = append(some, role)
		}
	}
	return some
}

// eachRight calls f with every single right of the Roles, unless one of its kind
// was tried before.
func eachRight(
	t *testing.T, tried map[string]bool, roles []rbacv1.Role, f func(t *testing.T, namespace string, right rights.Right),
) {
	t.Helper()
	for _, role := range roles {
		for _, right := range rights.Of(role.Rules) {
			kind := fmt.Sprint(right.Verb, right.Resource, right.Name != "")
			if tried[kind] {
				continue
			}
			tried[kind] = true
			t.Run(strings.TrimSpace(fmt.Sprintf("%s %s %s in %s", right.Verb, right.Resource, right.Name, role.Namespace)), func(t *testing.T) {
				f(t, role.Namespace, right)
			})
		}
	}
}

// rightsCases are experiments that together need every right there is.
func rightsCases() map[string]experiments.Experiment {
	caller := inventoryDown(time.Second)
	upstream := inventoryDown(time.Second)
	upstream.Faults = []injector.Fault{{
		On: injector.Service{Namespace: "shop", Name: "recommendations", Subset: "v1"}, Site: injector.Upstream,
		Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
	}}
	created := inventoryDown(time.Second)
	created.Faults = []injector.Fault{{
		On: injector.Service{Namespace: "shop", Name: "unrouted"}, Site: injector.Caller,
		Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
	}}
	ramp := inventoryDown(time.Second)
	ramp.Faults = []injector.Fault{{
		On: injector.Service{Namespace: "shop", Name: "inventory"}, Site: injector.Upstream, Ramp: []float64{50},
		Effect: injector.Abort{HTTPStatus: 503, Percent: 100},
	}}
	blackhole := inventoryDown(time.Second)
	blackhole.Faults = []injector.Fault{{
		On: injector.Service{Namespace: "shop", Name: "inventory"}, Site: injector.Caller, Effect: injector.Blackhole{Percent: 100},
	}}
	return map[string]experiments.Experiment{
		"caller": caller, "upstream": upstream, "created": created, "ramp": ramp, "blackhole": blackhole,
	}
}

// unrouted deploys a Service that no VirtualService rules.
func unrouted(t *testing.T) {
	t.Helper()
	const service = `
apiVersion: v1
kind: Service
metadata: {name: unrouted, namespace: shop}
spec: {selector: {app: inventory}, ports: [{name: http, port: 80, targetPort: 8080}]}
`
	if err := mesh.DeployYAML(t.Context(), service); err != nil {
		t.Fatal(err)
	}
}

func rolesFor(t *testing.T, e experiments.Experiment) []rbacv1.Role {
	t.Helper()
	runner := newRunner(t)
	plan, err := runner.Plan(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	if plan.ClusterRole != nil {
		t.Fatalf("a run in one namespace needs %v", plan.ClusterRole)
	}
	return plan.Roles
}

// A run does with the Roles of its plan, and nothing more.
func TestARunWithTheRightsOfItsPlan(t *testing.T) {
	for _, name := range []string{"caller", "upstream", "ramp", "blackhole"} {
		t.Run(name, func(t *testing.T) {
			e := rightsCases()[name]
			runner, err := experiments.NewRunner(as(t, "run-"+name, rolesFor(t, e)))
			if err != nil {
				t.Fatal(err)
			}
			plan, err := runner.Plan(t.Context(), e)
			if notes := strings.Join(plan.Notes, "\n"); err != nil || !strings.Contains(notes, `pods can be listed in namespaces ["shop"] only`) {
				t.Errorf("the plan does not note what cannot be seen: %v, %s", err, notes)
			}
			report, err := runner.Run(t.Context(), e)
			if err != nil || report.Verdict != experiments.Held || !report.Clean {
				t.Errorf("%v\n%s", err, report)
			}
			noLeftovers(t)
		})
	}
}

// Without any one of them it says which, before it has written anything.
func TestARunWithoutOneOfItsRights(t *testing.T) {
	tried := map[string]bool{}
	cases := rightsCases()
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		e := cases[name]
		if name == "created" {
			unrouted(t)
		}
		roles := rolesFor(t, e)
		count := 0
		eachRight(t, tried, roles, func(t *testing.T, namespace string, right rights.Right) {
			t.Helper()
			count++
			runner, err := experiments.NewRunner(as(t, fmt.Sprintf("run-%s-%d", name, count), without(roles, namespace, right)))
			if err != nil {
				t.Fatal(err)
			}
			report, err := runner.Run(t.Context(), e)
			if report != nil || err == nil {
				t.Fatalf("it was done all the same:\n%s", report)
			}
			resource, _, _ := strings.Cut(right.Resource, "/")
			if !strings.Contains(err.Error(), right.Verb) || !strings.Contains(err.Error(), resource) {
				t.Errorf("the error does not name the right: %v", err)
			}
			noLeftovers(t)
		})
	}
}

// inject does with an Injector what a run does, and returns the first error.
func inject(t *testing.T, config *rest.Config, e experiments.Experiment, hold func(context.Context) error) error {
	t.Helper()
	in, err := injector.New(config, injector.WithLeaseDuration(3*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := in.Leftovers(ctx, "shop"); err != nil {
		return err
	}
	plan, err := in.Plan(ctx, injector.NewRunID(), e.Faults, e.BlastRadius, in.Now().Add(time.Minute))
	if err != nil {
		return err
	}
	injection, err := in.Inject(ctx, plan)
	if err == nil {
		held, stop := injection.Context(ctx)
		for n := range len(e.Faults[0].Ramp) + 1 {
			err = errors.Join(err, injection.Step(ctx, n))
		}
		if err == nil {
			err = hold(held)
		}
		stop()
	}
	return errors.Join(err, injection.Revert(context.WithoutCancel(ctx)))
}

// roleOf is the Role for an Injector alone.
func roleOf(t *testing.T, e experiments.Experiment) []rbacv1.Role {
	t.Helper()
	in, err := injector.New(cluster)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := in.Plan(t.Context(), injector.NewRunID(), e.Faults, e.BlastRadius, in.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var roles []rbacv1.Role
	for namespace, rules := range injector.Rules(e.Faults, e.BlastRadius, plan) {
		for _, rule := range rules {
			if strings.Contains(fmt.Sprint(rule.Resources), "exec") {
				t.Errorf("a run executes nothing in pods: %v", rule)
			}
		}
		roles = append(roles, rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}, Rules: rules})
	}
	return roles
}

// An Injector does with the rules of its plan. Without any one of them it says
// which, and what it then cannot take out it says, too.
func TestAnInjectorWithTheRightsOfItsPlan(t *testing.T) {
	unrouted(t)
	tried := map[string]bool{}
	atOnce := func(context.Context) error { return nil }
	lost := func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	cases := rightsCases()
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		e := cases[name]
		roles := roleOf(t, e)
		if err := inject(t, as(t, "in-"+name, roles), e, atOnce); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		noLeftovers(t)
		count := 0
		eachRight(t, tried, roles, func(t *testing.T, namespace string, right rights.Right) {
			t.Helper()
			count++
			hold := atOnce
			if right.Resource == "leases" && right.Verb == "update" {
				hold = lost // which is what becomes of a Lease that cannot be renewed
			}
			err := inject(t, as(t, fmt.Sprintf("in-%s-%d", name, count), without(roles, namespace, right)), e, hold)
			if right.Verb == "watch" || strings.HasSuffix(right.Group, ".k8s.io") && right.Group != "coordination.k8s.io" {
				// reading again and again takes the place of one; a plan notes the other
				if err != nil {
					t.Error(err)
				}
				noLeftovers(t)
				return
			}
			if err == nil {
				t.Fatal("it was done all the same, so the right is not needed")
			}
			if !strings.Contains(err.Error(), right.Verb) || !strings.Contains(err.Error(), right.Resource) {
				t.Errorf("the error does not name the right: %v", err)
			}
			if left, ok := errors.AsType[*injector.NotRevertedError](err); ok {
				in, err := injector.New(cluster)
				if err != nil {
					t.Fatal(err)
				}
				if err := in.RevertRun(t.Context(), left.Run, "shop"); err != nil {
					t.Error(err)
				}
			}
			noLeftovers(t)
		})
	}
}
