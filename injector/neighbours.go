package injector

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// neighbours returns a note for each program that writes obj, too, as labels,
// annotations, owners and managedFields tell: what it may do to a fault, and
// the setting that lets both live. They are notes and no refusals, because what
// these programs are set to do is not on the object. nil is nobody's.
func neighbours(obj *unstructured.Unstructured) []string {
	if obj == nil {
		return nil
	}
	var notes []string
	for _, note := range []string{argoCD(obj), fluxKustomization(obj), helmRelease(obj), flagger(obj), argoRollouts(obj)} {
		if note != "" {
			notes = append(notes, fmt.Sprintf("%s %s", refOf(obj), note))
		}
	}
	return notes
}

// argoCD knows an Application by the tracking id, which names the object it is
// on, or by a label, which other tools set, too (Argo CD, Resource Tracking).
// Fields of a trusted manager are left alone when comparing and, with the
// option, when syncing (Argo CD, util/argo/managedfields). Ignoring the routes
// by jqPathExpressions would do for comparing only.
func argoCD(obj *unstructured.Unstructured) string {
	ref := refOf(obj)
	id, tracked := obj.GetAnnotations()["argocd.argoproj.io/tracking-id"]
	app, object, _ := strings.Cut(id, ":")
	tracked = tracked && strings.HasSuffix(object, "/"+ref.Kind+":"+ref.Namespace+"/"+ref.Name)
	if !tracked {
		app = firstOf(obj.GetLabels(), "argocd.argoproj.io/instance", "app.kubernetes.io/instance")
		tracked = writtenBy(obj, "argocd-controller")
	}
	if !tracked {
		return ""
	}
	return fmt.Sprintf("is synced by Argo CD%s: a sync, and self-healing, takes the fault out. Set in the Application: "+
		"syncPolicy.syncOptions [RespectIgnoreDifferences=true] and "+
		"ignoreDifferences [{group: %s, kind: %s, managedFieldsManagers: [%s]}]",
		named("Application", "", app), istioGroup, ref.Kind, fieldManager)
}

// fluxKustomization knows a Kustomization by the labels that its controller
// sets. spec.http is one value for server-side apply, so that the policy Merge
// would not help (kustomize-controller, docs/spec/v1/kustomizations.md).
func fluxKustomization(obj *unstructured.Unstructured) string {
	const group = "kustomize.toolkit.fluxcd.io/"
	name, namespace, found := fluxOwner(obj, group)
	if !found && !writtenBy(obj, "kustomize-controller") {
		return ""
	}
	policy := strings.ToLower(obj.GetAnnotations()[group+"ssa"])
	if fluxSays(obj, group+"reconcile", "disabled") || policy == "ignore" || policy == "ifnotpresent" {
		return "" // Flux leaves it alone as it is
	}
	ref := refOf(obj)
	return fmt.Sprintf("is applied by Flux%[1]s, which takes the fault out at its next interval. Before the run: "+
		"kubectl -n %[2]s annotate virtualservice %[3]s %[4]sreconcile=disabled; after it, the same with %[4]sreconcile-",
		named("Kustomization", namespace, name), ref.Namespace, ref.Name, group)
}

// fluxRelease knows a HelmRelease by the labels that its controller sets.
func fluxRelease(obj *unstructured.Unstructured) (note string, found bool) {
	const group = "helm.toolkit.fluxcd.io/"
	name, namespace, found := fluxOwner(obj, group)
	if !found && !writtenBy(obj, "helm-controller") {
		return "", false
	}
	if fluxSays(obj, group+"driftDetection", "disabled") {
		return fmt.Sprintf("is applied by Flux%s: an upgrade during the run takes the fault out",
			named("HelmRelease", namespace, name)), true
	}
	return fmt.Sprintf("is applied by Flux%s: an upgrade, and driftDetection when its mode is enabled, takes the fault out. "+
		"Suspend the HelmRelease for the run, or set in it driftDetection.ignore [{paths: [/spec/http], target: {kind: %s, name: %s}}]",
		named("HelmRelease", namespace, name), obj.GetKind(), obj.GetName()), true
}

// helmRelease knows what `helm install` marks. Helm writes only when somebody
// upgrades or rolls back; Flux may do that, and more.
func helmRelease(obj *unstructured.Unstructured) string {
	if note, found := fluxRelease(obj); found {
		return note
	}
	release, found := obj.GetAnnotations()["meta.helm.sh/release-name"]
	if !found || obj.GetLabels()["app.kubernetes.io/managed-by"] != "Helm" {
		return ""
	}
	namespace := obj.GetAnnotations()["meta.helm.sh/release-namespace"]
	return fmt.Sprintf("is of Helm%s: do not upgrade or roll it back during the run, which may take the fault out",
		named("release", namespace, release))
}

// flagger knows a Canary as the owner. At each interval Flagger writes all of
// spec, labels and annotations anew when they differ from the Canary's, and
// keeps the spec it found as the one to restore later, with the fault in it
// (Flagger, pkg/router/istio.go).
func flagger(obj *unstructured.Unstructured) string {
	canary, found := "", writtenBy(obj, "flagger")
	for _, owner := range obj.GetOwnerReferences() {
		if owner.Kind == "Canary" && strings.HasPrefix(owner.APIVersion, "flagger.app/") {
			canary, found = owner.Name, true
		}
	}
	if !found {
		return ""
	}
	return fmt.Sprintf("is written by Flagger%s, which ERASES the fault and its marks at the next interval and may keep the fault "+
		"in the annotation flagger.kubernetes.io/original-configuration. Set spec.suspend: true in the Canary for the run",
		named("Canary", "", canary))
}

// argoRollouts knows a Rollout by its controller's writes. A Rollout that does
// not name its routes wants exactly one, not counting managedRoutes (Argo
// Rollouts, rollout/trafficrouting/istio, ValidateHTTPRoutes).
func argoRollouts(obj *unstructured.Unstructured) string {
	if !writtenBy(obj, "rollouts-controller") {
		return ""
	}
	return "has its weights set by Argo Rollouts: weights that change during the run do not change for the run's requests, " +
		"and a Rollout that does not name its routes stops at a VirtualService with more than one. " +
		"Run between rollouts, and set trafficRouting.istio.virtualService.routes in the Rollout"
}

// writtenBy says whether a field manager has fields of obj.
func writtenBy(obj *unstructured.Unstructured, manager string) bool {
	return slices.ContainsFunc(objectsAt(obj.Object, "metadata", "managedFields"), func(entry object) bool {
		return entry["manager"] == manager
	})
}

// fluxOwner returns what the labels of a Flux controller say.
func fluxOwner(obj *unstructured.Unstructured, group string) (name, namespace string, found bool) {
	name, found = obj.GetLabels()[group+"name"]
	return name, obj.GetLabels()[group+"namespace"], found
}

// fluxSays looks up a setting where Flux does: in annotations and in labels, in
// any case.
func fluxSays(obj *unstructured.Unstructured, key, value string) bool {
	return strings.EqualFold(obj.GetAnnotations()[key], value) || strings.EqualFold(obj.GetLabels()[key], value)
}

func firstOf(values map[string]string, keys ...string) string {
	for _, key := range keys {
		if values[key] != "" {
			return values[key]
		}
	}
	return ""
}

// named returns " (kind namespace/name)" as far as it is known.
func named(kind, namespace, name string) string {
	switch {
	case name == "":
		return ""
	case namespace == "":
		return fmt.Sprintf(" (%s %s)", kind, name)
	}
	return fmt.Sprintf(" (%s %s/%s)", kind, namespace, name)
}
