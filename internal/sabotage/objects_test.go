package sabotage

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// shadow is a VirtualService for back that only the lab sees, which goes before
// all that everybody sees. It has no policy.
const shadow = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shadow, namespace: lab}
spec:
  hosts: [back]
  exportTo: ["."]
  http:
  - name: sabotage-shadow
    route: [{destination: {host: back}}]
`

// objectCases are those in which other objects rule the traffic.
func objectCases() []sabotage {
	return []sabotage{
		{
			name: "second VirtualService shadows ours", does: "a VirtualService without a timeout goes before the one that has it",
			honest: hangingBack, before: func(s *scene) { s.create(shadow); s.done("front", "sabotage-shadow") },
			want: "Deviated", words: "504",
		},
		{
			name: "VirtualService hidden by exportTo", does: "the VirtualService with the timeout is exported to nobody who calls",
			honest: hangingBack, before: func(s *scene) {
				s.patch("VirtualService", "back", "spec: {exportTo: [istio-system]}")
				s.shown("front", `"name": "jason"`, false)
			},
			want: "Deviated", words: "504",
		},
		{
			name: "shadowed for the whole phase", does: "in the fault phase a VirtualService takes over the routes that have the fault",
			honest: slowBack, when: "during", while: func(s *scene) { s.create(shadow) },
			want: "Inconclusive", words: "did not keep the fault",
		},
		{
			name: "route evicted", does: "somebody brings back the VirtualService from before the fault, in the fault phase",
			honest: slowBack, when: "during", while: func(s *scene) { s.evict(false) },
			want: "Inconclusive", words: "evicted",
		},
		{
			name: "fault taken out and put back", does: "somebody takes the fault out and puts the very same back",
			honest: slowBack, when: "during", while: func(s *scene) { s.evict(true) },
			want: "Inconclusive", words: "evicted",
		},
		{
			name: "TCP port", does: "the port of back is called tcp, so that there are no routes",
			honest: slowBack, before: func(s *scene) {
				s.patch("Service", "back", "spec: {ports: [{name: tcp, port: 80, targetPort: 8080}]}")
			},
			want: "refused", words: "HTTP",
		},
		{
			name: "baseline broken", does: "the gateway leads to a service that is not there",
			honest: slowBack, before: func(s *scene) {
				s.patch("VirtualService", "lab", "spec: {http: [{name: sabotaged, route: [{destination: {host: nowhere}}]}]}")
				s.done("istio-ingressgateway", "sabotaged")
			},
			want: "Inconclusive", words: "the baseline was not good",
		},
		{
			name: "canary behind a catch-all", does: "the route for jason comes after the one for everybody",
			honest: canary, before: func(s *scene) {
				s.patch("VirtualService", "back", `
spec:
  http:
  - name: back
    route: [{destination: {host: back}}]
  - name: sabotaged
    match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: back, subset: v2}}]`)
				s.shown("front", `"name": "jason"`, false)
			},
			want: "Deviated", words: "v2",
		},
		{
			name: "shadowed for a while", does: "the same, and it is gone before the phase ends",
			honest: slowBack, when: "during", while: func(s *scene) {
				s.beside(func() {
					s.after(200 * time.Millisecond)
					s.create(shadow)
					s.after(800 * time.Millisecond)
					s.remove("VirtualService", "shadow")
				})
			},
			want: "Inconclusive", words: "fault",
		},
	}
}

// evict brings back what the fault was written over, and with again puts the fault
// back.
func (s *scene) evict(again bool) {
	s.Helper()
	api := s.in("VirtualService")
	faulted, err := api.Get(s.ctx, "back", metav1.GetOptions{})
	if err != nil {
		s.Error(err)
		return
	}
	clean := faulted.DeepCopy()
	routes, _, err := unstructured.NestedSlice(clean.Object, "spec", "http")
	if err != nil {
		s.Error(err)
		return
	}
	kept := routes[:0:0]
	for _, route := range routes {
		if name, _ := route.(map[string]any)["name"].(string); name == "jason" || name == "back" {
			kept = append(kept, route)
		}
	}
	if err := unstructured.SetNestedSlice(clean.Object, kept, "spec", "http"); err != nil {
		s.Error(err)
	}
	written, err := api.Update(s.ctx, clean, metav1.UpdateOptions{})
	if err != nil {
		s.Error(err)
		return
	}
	if again {
		faulted.SetResourceVersion(written.GetResourceVersion())
		if _, err := api.Update(s.ctx, faulted, metav1.UpdateOptions{}); err != nil {
			s.Error(err)
		}
	}
}
