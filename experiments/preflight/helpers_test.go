package preflight

import (
	"fmt"
	"strings"
	"testing"

	meshconfig "istio.io/api/mesh/v1alpha1"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/internal/claim"
)

// shopWorld is a small mesh, the shop: checkout calls payments, which has three
// pods, two of version v1 and one of v2. More documents come on top.
func shopWorld(tb testing.TB, more ...string) World {
	tb.Helper()
	documents := []string{serviceYAML("payments"), serviceYAML("checkout"), podYAML("checkout-0", "checkout", "v1")}
	for i, version := range []string{"v1", "v1", "v2"} {
		documents = append(documents, podYAML(fmt.Sprintf("payments-%d", i), "payments", version))
	}
	return worldOf(tb, strings.Join(append(documents, more...), "\n---\n"))
}

// serviceYAML is a Service of the namespace shop with the port http 80.
func serviceYAML(name string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: shop}
spec: {selector: {app: %[1]s}, ports: [{name: http, port: 80}]}`, name)
}

// podYAML is a ready pod of the namespace shop with a sidecar.
func podYAML(name, app, version string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: shop, labels: {app: %s, version: %s}}
spec: {containers: [{name: app}, {name: istio-proxy}]}
status: {podIP: 10.0.%d.%d, phase: Running, conditions: [{type: Ready, status: "True"}]}`, name, app, version, len(app), name[len(name)-1])
}

// virtualServiceYAML is a VirtualService of the namespace shop for payments, with
// a name and one route that says more than its destination.
func virtualServiceYAML(name, route string) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %s, namespace: shop}
spec:
  hosts: [payments]
  http:
  - route: [{destination: {host: payments}}]
    %s`, name, strings.ReplaceAll(strings.TrimSpace(route), "\n", "\n    "))
}

// ruleYAML is a DestinationRule of the namespace shop for payments.
func ruleYAML(name, spec string) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: %s, namespace: shop}
spec:
  host: payments
  %s`, name, strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  "))
}

// abort is a fault on payments: status on so many percent, at a site, on so many
// pods.
func abort(site injector.Site, status int, percent float64, pods int) injector.Fault {
	return injector.Fault{
		On: injector.Service{Namespace: "shop", Name: "payments"}, Site: site, Pods: pods,
		Effect: injector.Abort{HTTPStatus: status, Percent: percent},
	}
}

// during is a claim of an experiment's first matcher under during.
func during(c claim.Claim) Claimed {
	return Claimed{Claim: c, Field: "during[0]", Phases: []Phase{During}}
}

// text is what a rule of an id finds, one finding a line; empty when nothing.
func text(id string, q Question, w World) string {
	var lines []string
	for _, f := range Check(q, w).Findings {
		if f.Rule == id {
			lines = append(lines, f.String())
		}
	}
	return strings.Join(lines, "\n")
}

// meshConfig reads a MeshConfig as the mesh's ConfigMap has it.
func meshConfig(tb testing.TB, text string) *meshconfig.MeshConfig {
	tb.Helper()
	mesh, err := readMeshConfig([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return mesh
}
