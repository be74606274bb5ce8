package preflight

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// worldOf makes a world of YAML documents, as tests write them.
func worldOf(tb testing.TB, text string) World {
	tb.Helper()
	w := World{Domain: "cluster.local", Root: "istio-system"}
	for doc := range strings.SplitSeq(text, "\n---") {
		obj := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &obj.Object); err != nil {
			tb.Fatal(err)
		}
		if len(obj.Object) == 0 {
			continue
		}
		if err := w.Add(obj); err != nil {
			tb.Fatal(err)
		}
	}
	return w
}

func TestAWorldHasTypedObjects(t *testing.T) {
	w := worldOf(t, `
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: payments, namespace: shop}
spec:
  hosts: [payments]
  http: [{timeout: 2s, retries: {attempts: 2, perTryTimeout: 500ms}, tomorrow: 1}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: payments, namespace: shop}
spec: {host: payments, trafficPolicy: {outlierDetection: {consecutiveErrors: 3}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: any, namespace: shop}
`)
	if len(w.VirtualServices) != 1 || w.VirtualServices[0].Spec.GetHttp()[0].GetTimeout().AsDuration().String() != "2s" {
		t.Errorf("VirtualServices: %v", w.VirtualServices)
	}
	if len(w.DestinationRules) != 1 || w.DestinationRules[0].Spec.GetTrafficPolicy().GetOutlierDetection().GetConsecutiveErrors() != 3 { //nolint:staticcheck // the deprecated field is what is looked for
		t.Errorf("DestinationRules: %v", w.DestinationRules)
	}
	if len(w.Others) != 1 {
		t.Errorf("others: %v", w.Others)
	}
}
