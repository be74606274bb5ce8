package injector

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const (
	testRun = "7f3a"
	testBy  = "ada@ci/1"
)

var (
	testNow   = time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
	testUntil = testNow.Add(10 * time.Minute)
)

// decode reads YAML documents as the API server's answers are read.
func decode(tb testing.TB, text string) []*unstructured.Unstructured {
	tb.Helper()
	var objects []*unstructured.Unstructured
	for doc := range strings.SplitSeq("\n"+text, "\n---\n") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		data, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			tb.Fatalf("bad YAML: %v\n%s", err, doc)
		}
		obj := &unstructured.Unstructured{}
		if err := obj.UnmarshalJSON(data); err != nil {
			tb.Fatalf("no object: %v\n%s", err, doc)
		}
		objects = append(objects, obj)
	}
	return objects
}

// decodeOne reads one YAML document.
func decodeOne(tb testing.TB, text string) *unstructured.Unstructured {
	tb.Helper()
	objects := decode(tb, text)
	if len(objects) != 1 {
		tb.Fatalf("%d objects, want 1", len(objects))
	}
	return objects[0]
}

// asJSON is the form in which objects are compared byte for byte.
func asJSON(tb testing.TB, v any) string {
	tb.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// asYAML renders objects as YAML documents.
func asYAML(tb testing.TB, objects []*unstructured.Unstructured) string {
	tb.Helper()
	var docs [][]byte
	for _, obj := range objects {
		doc, err := yaml.Marshal(obj.Object)
		if err != nil {
			tb.Fatal(err)
		}
		docs = append(docs, doc)
	}
	return string(bytes.Join(docs, []byte("---\n")))
}

// payments is a Service with one HTTP port and three pods.
const payments = `
apiVersion: v1
kind: Service
metadata: {name: payments, namespace: shop}
spec:
  selector: {app: payments}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: payments-a, namespace: shop, labels: {app: payments, version: v1}}
spec: {containers: [{name: app}, {name: istio-proxy}]}
status: {phase: Running}
---
apiVersion: v1
kind: Pod
metadata: {name: payments-c, namespace: shop, labels: {app: payments, version: v2}}
spec: {containers: [{name: app}, {name: istio-proxy}]}
status: {phase: Running}
---
apiVersion: v1
kind: Pod
metadata: {name: payments-b, namespace: shop, labels: {app: payments, version: v1}}
spec: {containers: [{name: app}], initContainers: [{name: istio-proxy}]}
status: {phase: Running}
`

var onPayments = Service{Namespace: "shop", Name: "payments"}

// worldOf sorts objects into a world, as look does with those of a cluster.
func worldOf(objects ...*unstructured.Unstructured) world {
	w := world{
		domain:           DefaultClusterDomain,
		services:         map[Service]*unstructured.Unstructured{},
		destinationRules: map[string][]*unstructured.Unstructured{},
		pods:             map[Service][]*unstructured.Unstructured{},
		gateways:         map[string]*unstructured.Unstructured{},
		namespaces:       map[string]*unstructured.Unstructured{},
	}
	for _, obj := range objects {
		switch obj.GetKind() {
		case "Service":
			w.services[Service{Namespace: obj.GetNamespace(), Name: obj.GetName()}] = obj
		case kindVirtualService:
			w.virtualServices = append(w.virtualServices, obj)
		case kindServiceEntry:
			for _, host := range stringsAt(obj.Object, "spec", "hosts") {
				w.services[Service{Namespace: obj.GetNamespace(), Host: host}] = obj
			}
		case "Gateway":
			w.gateways[obj.GetNamespace()+"/"+obj.GetName()] = obj
		case "Namespace":
			w.namespaces[obj.GetName()] = obj
		case "HTTPRoute", "GRPCRoute":
			w.routes = append(w.routes, obj)
		case "DestinationRule":
			w.destinationRules[obj.GetNamespace()] = append(w.destinationRules[obj.GetNamespace()], obj)
		}
	}
	for on, service := range w.services {
		for _, obj := range objects {
			if obj.GetKind() == "Pod" && hasLabels(obj, at[object](service.Object, "spec", "selector")) {
				w.pods[on] = append(w.pods[on], obj)
			}
		}
	}
	return w
}

// planOf plans faults of testRun in a world of the YAML documents.
func planOf(tb testing.TB, faults []Fault, limits BlastRadius, documents ...string) (Plan, error) {
	tb.Helper()
	var objects []*unstructured.Unstructured
	for _, text := range documents {
		objects = append(objects, decode(tb, text)...)
	}
	return makePlan(worldOf(objects...), request{
		run: testRun, by: testBy, until: testUntil, now: testNow, faults: faults, limits: limits,
	})
}
