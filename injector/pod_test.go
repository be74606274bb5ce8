package injector

import (
	"fmt"
	"strings"
	"testing"
)

// pod is a running pod of payments with a proxy, changed by edits.
func podYAML(name string, edits ...string) string {
	text := "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", namespace: shop, labels: {app: payments}}\n" +
		"spec: {containers: [{name: app}, {name: istio-proxy}]}\nstatus: {phase: Running}\n"
	return strings.NewReplacer(edits...).Replace(text)
}

const paymentsService = `
apiVersion: v1
kind: Service
metadata: {name: payments, namespace: shop}
spec: {selector: {app: payments}, ports: [{name: http, port: 80, targetPort: 8080}]}
`

func TestUpstreamPods(t *testing.T) {
	subset := `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: payments, namespace: shop}
spec: {host: payments.shop.svc.cluster.local, subsets: [{name: v1, labels: {version: v1}}, {name: any}]}
`
	tests := map[string]struct {
		objects string
		fault   Fault
		want    string // pods chosen, or the refusal
	}{
		"all, by name": {
			objects: podYAML("c") + podYAML("a") + podYAML("b"),
			want:    "[a b c]",
		},
		"the first by name": {
			objects: podYAML("c") + podYAML("a") + podYAML("b"),
			fault:   Fault{Pods: 2}, want: "[a b]",
		},
		"only running ones": {
			objects: podYAML("a", "Running", "Pending") + podYAML("b", "name: b,", `name: b, deletionTimestamp: "2026-01-01T00:00:00Z",`) + podYAML("c"),
			want:    "[c]",
		},
		"none": {
			objects: podYAML("a", "app: payments", "app: orders"),
			want:    "refused: faults[0].on: no running pod belongs to shop/payments",
		},
		"fewer than asked for": {
			objects: podYAML("a") + podYAML("b"),
			fault:   Fault{Pods: 3}, want: "refused: faults[0].on: 3 pods were asked for, 2 of shop/payments are running",
		},
		"without a proxy": {
			objects: podYAML("a") + podYAML("b", ", {name: istio-proxy}", ""),
			want:    "refused: faults[0].on: pod b has no container istio-proxy: there is no proxy to make the fault in",
		},
		"one without a proxy that is not chosen": {
			objects: podYAML("a") + podYAML("b", ", {name: istio-proxy}", ""),
			fault:   Fault{Pods: 1}, want: "[a]",
		},
		"of a subset": {
			objects: subset + podYAML("a") + podYAML("b", "app: payments", "app: payments, version: v1"),
			fault:   Fault{On: Service{Subset: "v1"}}, want: "[b]",
		},
		"of a subset without labels of its own": {
			objects: subset + podYAML("a"),
			fault:   Fault{On: Service{Subset: "any"}}, want: "[a]",
		},
		"of a subset that nobody defines": {
			objects: subset + podYAML("a"),
			fault:   Fault{On: Service{Subset: "v9"}},
			want:    "refused: faults[0].on: no DestinationRule in namespace shop has a subset v9 for it",
		},
		"of a subset that two define differently": {
			objects: subset + strings.NewReplacer("name: payments,", "name: other,", "version: v1", "version: v2").Replace(subset) + podYAML("a"),
			fault:   Fault{On: Service{Subset: "v1"}},
			want: "refused: faults[0].on: subset v1 means different pods in DestinationRule shop/payments " +
				"and DestinationRule shop/other",
		},
		"of a subset that two define alike": {
			objects: subset + strings.Replace(subset, "name: payments,", "name: other,", 1) +
				podYAML("a", "app: payments", "app: payments, version: v1"),
			fault: Fault{On: Service{Subset: "v1"}}, want: "[a]",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := test.fault
			f.On.Namespace, f.On.Name, f.Site, f.Effect = "shop", "payments", Upstream, Abort{HTTPStatus: 503, Percent: 100}
			plan, err := planOf(t, []Fault{f}, BlastRadius{}, paymentsService+test.objects)
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = fmt.Sprint(plan.Edits[0].Pods)
			}
			if got != test.want {
				t.Errorf("%s\nwant %s", got, test.want)
			}
		})
	}
}

func TestUpstreamNeedsASelector(t *testing.T) {
	service := strings.Replace(paymentsService, "selector: {app: payments}, ", "", 1)
	_, err := planOf(t, []Fault{upstreamFault}, BlastRadius{}, service+podYAML("a"))
	want := "refused: faults[0].on: Service shop/payments selects no pods by label, so it cannot be told which are its own"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestTargetPorts(t *testing.T) {
	const named = ", ports: [{name: web, containerPort: 8081}]"
	tests := map[string]struct {
		ports, container string
		want             string
	}{
		"a number":                   {"{name: http, port: 80, targetPort: 8080}", "", "[8080]"},
		"the same as the service's":  {"{name: http, port: 80}", "", "[80]"},
		"a name":                     {"{name: http, port: 80, targetPort: web}", named, "[8081]"},
		"two that lead to one":       {"{name: http, port: 80, targetPort: 8081}, {name: grpc, port: 90, targetPort: web}", named, "[8081]"},
		"two that lead to two":       {"{name: http, port: 80}, {name: grpc, port: 90}", "", "[80 90]"},
		"only where requests arrive": {"{name: http, port: 80}, {name: tcp, port: 90}", "", "[80]"},
		"a name that is not there": {
			"{name: http, port: 80, targetPort: web}", "",
			`refused: faults[0].on: pod a: none of its containers has the port "web" that port 80 (http) of the service leads to`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			service := strings.Replace(paymentsService, "{name: http, port: 80, targetPort: 8080}", test.ports, 1)
			pod := podYAML("a", "{name: app}", "{name: app"+test.container+"}")
			plan, err := planOf(t, []Fault{upstreamFault}, BlastRadius{}, service+pod)
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				var ports []int64
				for n, patch := range objectsAt(plan.Edits[0].After.Object, "spec", "configPatches") {
					if n%2 == 0 { // one patch for each of the two headers
						ports = append(ports, at[int64](patch, "match", "listener", "portNumber"))
					}
				}
				got = fmt.Sprint(ports)
			}
			if got != test.want {
				t.Errorf("%s\nwant %s", got, test.want)
			}
		})
	}
}
