package experiments

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faultline-mesh/faultline/experiments/preflight"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/rights"
)

// rolesFor returns what a run of e that writes plan needs in a cluster with RBAC,
// and nothing more: a Role for each namespace, by namespace, for kubectl apply.
// Who the runner is, a RoleBinding has to say. An experiment that names no
// namespace, neither in a fault nor in its blast radius, looks at the proxies of
// all of them; that takes a ClusterRole, which is nil for any other.
func (r *Runner) rolesFor(ctx context.Context, e Experiment, plan injector.Plan) ([]rbacv1.Role, *rbacv1.ClusterRole) {
	e = e.withDefaults()
	byNodePort := false
	if e.Gateway != "" {
		namespace, name, _ := strings.Cut(e.Gateway, "/")
		service, err := r.kube.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
		byNodePort = err != nil || len(service.Status.LoadBalancer.Ingress) == 0
	}
	return roles(e, plan, byNodePort)
}

// roles is rolesFor without looking at the cluster.
func roles(e Experiment, plan injector.Plan, byNodePort bool) ([]rbacv1.Role, *rbacv1.ClusterRole) {
	needed := map[string][]rights.Right{}
	if len(e.Faults) > 0 {
		for namespace, rules := range injector.Rules(e.Faults, e.BlastRadius, plan) {
			needed[namespace] = rights.Of(rules)
		}
	}
	observed := e.callers()
	if len(observed) == 0 {
		observed = []string{metav1.NamespaceAll}
	}
	for _, namespace := range observed {
		for resource, group := range preflight.Kinds() {
			needed[namespace] = append(needed[namespace], rights.On(group, resource, "", "list")...)
		}
		needed[namespace] = slices.Concat(needed[namespace],
			rights.On("", "pods", "", "list"),
			rights.On("", "pods/portforward", "", "get", "create"),
		)
		if len(e.Faults) > 0 { // whose evidence is in the access logs
			needed[namespace] = append(needed[namespace], rights.On("", "pods/log", "", "get")...)
		}
	}
	if e.Gateway != "" {
		namespace, name, _ := strings.Cut(e.Gateway, "/")
		needed[namespace] = append(needed[namespace], rights.On("", "services", name, "get")...)
		if byNodePort {
			needed[namespace] = append(needed[namespace], rights.On("", "pods", "", "list")...)
		}
	}
	var all []rbacv1.Role
	var cluster *rbacv1.ClusterRole
	for _, namespace := range slices.Sorted(maps.Keys(needed)) {
		rules := rights.Rules(needed[namespace])
		if namespace == metav1.NamespaceAll {
			cluster = &rbacv1.ClusterRole{TypeMeta: rbacType("ClusterRole"), ObjectMeta: metav1.ObjectMeta{Name: roleName(e)}, Rules: rules}
			continue
		}
		all = append(all, rbacv1.Role{
			TypeMeta: rbacType("Role"), ObjectMeta: metav1.ObjectMeta{Name: roleName(e), Namespace: namespace}, Rules: rules,
		})
	}
	return all, cluster
}

func rbacType(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: kind}
}

var noNameRune = regexp.MustCompile(`[^a-z0-9]+`)

// roleName makes a name for e's Roles of its own, which may be a sentence.
func roleName(e Experiment) string {
	const most = 200 // of 253 characters that a name may have
	name := strings.Trim(noNameRune.ReplaceAllString(strings.ToLower(e.Name), "-"), "-")
	return strings.TrimSuffix("faultline-"+name[:min(len(name), most)], "-")
}

// checkRights asks the API server whether the runner may do all that a run will
// do, so that a right that is missing ends it before anything is written, and
// not when a fault is to be taken out. Every one that is missing is in the error.
func (r *Runner) checkRights(ctx context.Context, e Experiment, plan injector.Plan) error {
	roles, cluster := r.rolesFor(ctx, e, plan)
	if cluster != nil {
		roles = append(roles, rbacv1.Role{Rules: cluster.Rules})
	}
	var missing []string
	for _, role := range roles {
		lacks, err := r.lacks(ctx, role.Namespace, rights.Of(role.Rules))
		if err != nil {
			return err
		}
		missing = append(missing, lacks...)
	}
	if len(missing) == 0 {
		return nil
	}
	return &InputError{fmt.Errorf("experiment %q: rights are missing, so nothing was written; `faultline plan --roles` prints all that the run needs:\n  %s",
		e.Title, strings.Join(missing, "\n  "))}
}

// lacks returns those of the rights that the runner does not have in a namespace,
// in words. One question tells most; what it leaves open, as it does where
// something else than RBAC decides, is asked for one by one.
func (r *Runner) lacks(ctx context.Context, namespace string, needed []rights.Right) ([]string, error) {
	var known []authorizationv1.ResourceRule
	if namespace != metav1.NamespaceAll { // of which the question cannot be asked
		review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}
		answer, err := r.kube.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return nil, fmt.Errorf("ask for the rights in namespace %s: %w", namespace, err)
		}
		known = answer.Status.ResourceRules
	}
	var missing []string
	for _, right := range needed {
		if slices.ContainsFunc(known, func(rule authorizationv1.ResourceRule) bool { return gives(rule, right) }) {
			continue
		}
		allowed, err := r.may(ctx, namespace, right)
		if err != nil {
			return nil, err
		}
		if !allowed {
			missing = append(missing, rightText(namespace, right))
		}
	}
	return missing, nil
}

// gives says whether a rule gives a right, as the API server's RBAC has it.
func gives(rule authorizationv1.ResourceRule, right rights.Right) bool {
	has := func(list []string, values ...string) bool {
		return slices.ContainsFunc(list, func(item string) bool { return item == "*" || slices.Contains(values, item) })
	}
	_, sub, _ := strings.Cut(right.Resource, "/")
	named := len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, right.Name) && right.Name != ""
	resource := []string{right.Resource}
	if sub != "" {
		resource = append(resource, "*/"+sub)
	}
	return has(rule.Verbs, right.Verb) && has(rule.APIGroups, right.Group) && has(rule.Resources, resource...) && named
}

// may asks whether the runner has one right.
func (r *Runner) may(ctx context.Context, namespace string, right rights.Right) (bool, error) {
	resource, subresource, _ := strings.Cut(right.Resource, "/")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: right.Verb, Group: right.Group, Resource: resource, Subresource: subresource, Name: right.Name,
		},
	}}
	answer, err := r.kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask for the right to %s: %w", rightText(namespace, right), err)
	}
	return answer.Status.Allowed, nil
}

// rightText says a right as people do: "update virtualservices.networking.istio.io inventory in namespace shop".
func rightText(namespace string, right rights.Right) string {
	text := right.Verb + " " + right.Resource
	if right.Group != "" {
		text += "." + right.Group
	}
	if right.Name != "" {
		text += " " + right.Name
	}
	if namespace == metav1.NamespaceAll {
		return text + " in all namespaces"
	}
	return text + " in namespace " + namespace
}

// namespaces are where the observed proxies live: those of the faults and of the
// blast radius; with neither, all.
func (e Experiment) namespaces() []string {
	names := slices.Clone(e.BlastRadius.Namespaces)
	for _, f := range e.Faults {
		names = append(names, f.On.Namespace)
	}
	return distinct(names)
}

// callers are the namespaces in which proxies are looked at at least: the run's
// own, and where the callers are that a fault names. A gateway's pods need not
// be beside its Gateway; those by which the load comes are beside their Service.
func (e Experiment) callers() []string {
	names := e.namespaces()
	for _, f := range e.Faults {
		if f.From.Namespace != "" {
			names = append(names, f.From.Namespace)
		}
		if f.From.Gateway == "" {
			continue
		}
		for _, gateway := range []string{f.From.Gateway, e.Gateway} {
			if namespace, _, named := strings.Cut(gateway, "/"); named {
				names = append(names, namespace)
			}
		}
	}
	return distinct(names)
}
