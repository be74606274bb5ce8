package injector

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestNeighbours(t *testing.T) {
	for name, c := range map[string]struct {
		metadata string
		want     []string // parts of the one note; none: there is no note
	}{
		"nobody": {``, nil},
		"a user's kubectl": {
			`annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}, managedFields: [{manager: kubectl-client-side-apply}, {manager: faultline}]`,
			nil,
		},
		"Argo CD, by its tracking id": {
			`annotations: {"argocd.argoproj.io/tracking-id": "web:networking.istio.io/VirtualService:shop/payments"}`,
			[]string{"synced by Argo CD (Application web)", "RespectIgnoreDifferences=true", "managedFieldsManagers: [faultline]", "group: networking.istio.io, kind: VirtualService"},
		},
		"a copy of what Argo CD tracks": {
			`annotations: {"argocd.argoproj.io/tracking-id": "web:networking.istio.io/VirtualService:shop/other"}`, nil,
		},
		"a tracking id cut short": {`annotations: {"argocd.argoproj.io/tracking-id": "web"}`, nil},
		"Argo CD, by label and manager": {
			`labels: {app.kubernetes.io/instance: web}, managedFields: [{manager: argocd-controller, operation: Apply}]`,
			[]string{"synced by Argo CD (Application web)"},
		},
		"Argo CD, by manager alone": {
			`managedFields: [{manager: argocd-controller}]`, []string{"synced by Argo CD: a sync"},
		},
		"the label of Argo CD, which others set, too": {`labels: {app.kubernetes.io/instance: web}`, nil},
		"Flux, a Kustomization": {
			`labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: flux-system}`,
			[]string{
				"applied by Flux (Kustomization flux-system/apps)",
				"kubectl -n shop annotate virtualservice payments kustomize.toolkit.fluxcd.io/reconcile=disabled",
				"kustomize.toolkit.fluxcd.io/reconcile-",
			},
		},
		"Flux, by manager": {`managedFields: [{manager: kustomize-controller}]`, []string{"applied by Flux, which"}},
		"Flux, told to leave it alone": {
			`labels: {kustomize.toolkit.fluxcd.io/name: apps}, annotations: {kustomize.toolkit.fluxcd.io/reconcile: Disabled}`, nil,
		},
		"Flux, told so by a label": {
			`labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/reconcile: disabled}`, nil,
		},
		"Flux, told to apply it once": {
			`labels: {kustomize.toolkit.fluxcd.io/name: apps}, annotations: {kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}`, nil,
		},
		"Flux, told to merge, which spec.http does not": {
			`labels: {kustomize.toolkit.fluxcd.io/name: apps}, annotations: {kustomize.toolkit.fluxcd.io/ssa: Merge}`,
			[]string{"applied by Flux (Kustomization apps)"},
		},
		"Flux, a HelmRelease": {
			`labels: {helm.toolkit.fluxcd.io/name: web, helm.toolkit.fluxcd.io/namespace: flux-system, app.kubernetes.io/managed-by: Helm},
			 annotations: {meta.helm.sh/release-name: web}`,
			[]string{"applied by Flux (HelmRelease flux-system/web)", "driftDetection.ignore [{paths: [/spec/http], target: {kind: VirtualService, name: payments}}]"},
		},
		"Flux, a HelmRelease that does not look for drift": {
			`managedFields: [{manager: helm-controller}], annotations: {helm.toolkit.fluxcd.io/driftDetection: disabled}`,
			[]string{"applied by Flux: an upgrade during the run"},
		},
		"Helm": {
			`labels: {app.kubernetes.io/managed-by: Helm}, annotations: {meta.helm.sh/release-name: web, meta.helm.sh/release-namespace: shop}`,
			[]string{"is of Helm (release shop/web)", "do not upgrade"},
		},
		"the label of Helm alone": {`labels: {app.kubernetes.io/managed-by: Helm}`, nil},
		"Flagger": {
			`ownerReferences: [{apiVersion: flagger.app/v1beta1, kind: Canary, name: payments, uid: u}]`,
			[]string{"written by Flagger (Canary payments)", "ERASES", "spec.suspend: true"},
		},
		"Flagger, by manager":           {`managedFields: [{manager: flagger}]`, []string{"written by Flagger, which"}},
		"a Canary of somebody else":     {`ownerReferences: [{apiVersion: birds.example/v1, kind: Canary, name: tweety, uid: u}]`, nil},
		"Argo Rollouts":                 {`managedFields: [{manager: rollouts-controller, operation: Update}]`, []string{"Argo Rollouts", "virtualService.routes"}},
		"managedFields of another form": {`managedFields: [7, {manager: 7}]`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			vs := decodeOne(t, "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: payments, namespace: shop, "+
				strings.ReplaceAll(c.metadata, "\n", " ")+"}\n")
			notes := neighbours(vs)
			if len(c.want) == 0 {
				if len(notes) > 0 {
					t.Errorf("got %q, want nothing", notes)
				}
				return
			}
			if len(notes) != 1 || !strings.HasPrefix(notes[0], "VirtualService shop/payments ") {
				t.Fatalf("got %q, want one note that names the object", notes)
			}
			for _, part := range c.want {
				if !strings.Contains(notes[0], part) {
					t.Errorf("%q lacks %q", notes[0], part)
				}
			}
		})
	}
	if notes := neighbours(nil); notes != nil {
		t.Errorf("of no object: %q", notes)
	}
	if notes := neighbours(&unstructured.Unstructured{}); notes != nil {
		t.Errorf("of an empty object: %q", notes)
	}
}

// All of them are told, and a plan tells them of the object that it edits.
func TestAPlanNotesNeighbours(t *testing.T) {
	const owned = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: payments
  namespace: shop
  labels: {kustomize.toolkit.fluxcd.io/name: apps}
  ownerReferences: [{apiVersion: flagger.app/v1beta1, kind: Canary, name: payments, uid: u}]
spec:
  hosts: [payments]
  http: [{route: [{destination: {host: payments}}]}]
`
	faults := []Fault{{On: onPayments, Site: Caller, Effect: Abort{HTTPStatus: 503, Percent: 100}}}
	plan, err := planOf(t, faults, BlastRadius{}, payments, owned)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Notes) != 2 || !strings.Contains(plan.Notes[0], "Flux") || !strings.Contains(plan.Notes[1], "Flagger") ||
		!strings.HasPrefix(plan.Notes[0], "faults[0].on: ") {
		t.Errorf("got %q", plan.Notes)
	}
	faults[0].Site = Upstream // which leaves the VirtualService alone
	plan, err = planOf(t, faults, BlastRadius{}, payments, owned)
	if err != nil || len(plan.Notes) != 0 {
		t.Errorf("got %v, %q", err, plan.Notes)
	}
}
