package e2e

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

// hush is a system of two frontends, of which one forwards no headers, before one
// checkout. Each frontend has a service and a host at the gateway of its own, and
// both have one together. checkout answers 502, because it has nobody to ask.
const hush = `
apiVersion: v1
kind: Namespace
metadata: {name: hush, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: loud, namespace: hush}
spec: {selector: {app: frontend, version: loud}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: mute, namespace: hush}
spec: {selector: {app: frontend, version: mute}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: half, namespace: hush}
spec: {selector: {app: frontend}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: checkout, namespace: hush}
spec: {selector: {app: checkout}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: hush}
spec: {selector: {app: checkout}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: hush, namespace: hush}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.hush.example"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: loud, namespace: hush}
spec: {hosts: [loud.hush.example], gateways: [hush], http: [{route: [{destination: {host: loud}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mute, namespace: hush}
spec: {hosts: [mute.hush.example], gateways: [hush], http: [{route: [{destination: {host: mute}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: half, namespace: hush}
spec: {hosts: [half.hush.example], gateways: [hush], http: [{route: [{destination: {host: half}}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: loud, namespace: hush}
spec:
  selector: {matchLabels: {app: frontend, version: loud}}
  template:
    metadata: {labels: {app: frontend, version: loud}}
    spec: {containers: [{name: shop, image: faultline/shop, env: [{name: ROLE, value: frontend}], ports: [{containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: mute, namespace: hush}
spec:
  selector: {matchLabels: {app: frontend, version: mute}}
  template:
    metadata: {labels: {app: frontend, version: mute}}
    spec: {containers: [{name: shop, image: faultline/shop, env: [{name: ROLE, value: frontend}, {name: FORWARD, value: none}], ports: [{containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: hush}
spec:
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec: {containers: [{name: shop, image: faultline/shop, env: [{name: ROLE, value: checkout}], ports: [{containerPort: 8080}]}]}
`

// deployHush brings hush up, and takes it away after the test.
func deployHush(t *testing.T) {
	t.Helper()
	if err := mesh.DeployYAML(t.Context(), hush); err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(cluster)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, kind := range []schema.GroupVersionResource{
			{Group: "apps", Version: "v1", Resource: "deployments"},
			virtualServices, virtualServices.GroupVersion().WithResource("gateways"),
		} {
			err := client.Resource(kind).Namespace("hush").DeleteCollection(context.WithoutCancel(t.Context()), metav1.DeleteOptions{}, metav1.ListOptions{})
			if err != nil {
				t.Error(err)
			}
		}
		for _, name := range []string{"loud", "mute", "half", "checkout", "alias"} {
			services := schema.GroupVersionResource{Version: "v1", Resource: "services"}
			if err := client.Resource(services).Namespace("hush").Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
}

// hushed is an experiment on hush whose load comes by a host of its gateway.
func hushed(host string, fault injector.Fault) experiments.Experiment {
	fault.On.Namespace = "hush"
	return experiments.Experiment{
		Title:       "every request is answered",
		Faults:      []injector.Fault{fault},
		Gateway:     "istio-system/istio-ingressgateway",
		Load:        loadgen.Load{URL: "http://" + host + ".hush.example/checkout", Rate: 50},
		SteadyState: []experiments.Matcher{assertions.HaveStatus(0, assertions.AtMost(0))},
		BlastRadius: injector.BlastRadius{Namespaces: []string{"hush"}},
		Settle:      500 * time.Millisecond, Duration: 2 * time.Second, Recovery: 300 * time.Millisecond,
	}
}

func hushFault(service string, site injector.Site) injector.Fault {
	return injector.Fault{On: injector.Service{Name: service}, Site: site, Effect: injector.Abort{HTTPStatus: 418, Percent: 100}}
}

// atCheckout is a fault on the second hop, to which the header must be forwarded.
var atCheckout = hushFault("checkout", injector.Caller)

// told runs e and holds it to a verdict and to parts of its reason.
func told(t *testing.T, e experiments.Experiment, want experiments.Verdict, parts ...string) *experiments.Report {
	t.Helper()
	report, err := newRunner(t).Run(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", report)
	if report.Verdict != want || !report.Clean {
		t.Errorf("got %s, want %s and clean", report.Verdict, want)
	}
	for _, part := range parts {
		if !strings.Contains(report.Reason, part) {
			t.Errorf("the reason lacks %q", part)
		}
	}
	noLeftovers(t)
	return report
}

func TestHeadersThatAreNotForwarded(t *testing.T) {
	deployHush(t)
	t.Run("control", func(t *testing.T) {
		report := told(t, hushed("loud", atCheckout), experiments.Held)
		arrived, n := report.Evidence[0].Arrived, report.During.Load.Requests()
		if arrived == nil || arrived.Reached != n || arrived.Matched != n || report.Baseline.Placement[0].Share != 1 {
			t.Errorf("arrived %+v, placed %+v; want all %d requests", arrived, report.Baseline.Placement, n)
		}
	})
	t.Run("by nobody", func(t *testing.T) {
		e := hushed("mute", atCheckout)
		e.Duration = time.Minute
		report := told(t, e, experiments.Inconclusive, "the fault's requests do not arrive at its hop",
			"none of them carried the run's header", "hush/mute does not forward the headers to it")
		if took := report.During.To.Sub(report.During.From); took > 10*time.Second {
			t.Errorf("the fault phase took %s though nothing matched", took)
		}
	})
	t.Run("by nobody, into the pods", func(t *testing.T) {
		told(t, hushed("mute", hushFault("checkout", injector.Upstream)), experiments.Inconclusive,
			"the fault's requests do not arrive at its hop", "hush/mute does not forward the headers to it")
	})
	t.Run("by one of two callers", func(t *testing.T) {
		told(t, hushed("half", atCheckout), experiments.Inconclusive, "only some of the fault's requests arrive at its hop",
			"Pod hush/mute-", ": 0 of ", "hush/mute does not forward the headers to it")
	})
	t.Run("by one of two callers, of which the other has requests of others only", func(t *testing.T) {
		var group sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		background := loadgen.Load{URL: mesh.GatewayURL() + "/checkout", Header: map[string]string{"Host": "mute.hush.example"}, Rate: 20}
		group.Go(func() {
			if _, err := background.Run(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
		report := told(t, hushed("loud", atCheckout), experiments.Held)
		stop()
		group.Wait()
		if proxies := report.Evidence[0].Proxies; len(proxies) != 2 || !proxies[1].Others || proxies[1].Matched != 0 {
			t.Errorf("proxies %+v, want the second one to have requests of others", proxies)
		}
	})
	t.Run("by the load itself", func(t *testing.T) {
		f := atCheckout
		f.Headers = map[string]string{"end-user": "ada"}
		told(t, hushed("loud", f), experiments.Inconclusive, "the load does not send end-user: ada")
		e := hushed("loud", f)
		e.Load.Header = map[string]string{"end-user": "ada"}
		told(t, e, experiments.Held)
	})
}

func TestLoadsThatGoElsewhere(t *testing.T) {
	deployHush(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer elsewhere.Close()
	past := func(e experiments.Experiment, url string) experiments.Experiment {
		e.Gateway, e.Load.URL = "", url
		return e
	}
	atGateway := hushFault("loud", injector.Caller)
	atGateway.From.Gateway = "hush/hush"
	app := "http://" + appOf(t, "hush", "loud") + "/checkout"
	for _, test := range []struct {
		name       string
		experiment experiments.Experiment
		want       experiments.Verdict
		parts      []string
	}{
		{"control at the gateway", hushed("loud", atGateway), experiments.Held, nil},
		{"control into the pods", hushed("loud", hushFault("loud", injector.Upstream)), experiments.Held, nil},
		{
			"the sidecar is bypassed", past(hushed("loud", hushFault("loud", injector.Upstream)), app), experiments.Inconclusive,
			[]string{"the load never reached the hop of the fault, so nothing was injected", "0 were seen into pods of hush/loud", "straight to the port of the app"},
		},
		{
			"the gateway's routes are its own", hushed("loud", hushFault("loud", injector.Caller)), experiments.Inconclusive,
			[]string{"0 were seen to hush/loud", "were sent there by Pod istio-system/", "name its Gateway in from.gateway"},
		},
		{
			"another host", past(hushed("loud", atCheckout), elsewhere.URL), experiments.Inconclusive,
			[]string{"no proxy of the mesh passed any", elsewhere.URL},
		},
		{
			"a service that nobody calls", hushed("loud", hushFault("mute", injector.Upstream)), experiments.Inconclusive,
			[]string{"0 were seen into pods of hush/mute", "proxies sent to hush/", "does the app call the service"},
		},
		{
			"a name by which nobody calls", hushed("loud", hushFault("alias", injector.Caller)), experiments.Inconclusive,
			[]string{"0 were seen to hush/alias", "went to its pods as hush/checkout: put the fault on that service"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := told(t, test.experiment, test.want, test.parts...)
			if injected := !report.During.To.IsZero(); injected != (test.want == experiments.Held) {
				t.Errorf("a fault phase: %t", injected)
			}
		})
	}
}

// appOf is the address at which the app of a pod listens, behind its sidecar.
func appOf(t *testing.T, namespace, app string) string {
	t.Helper()
	m, proxies := observed(t, namespace)
	snapshot, err := m.Snapshot(t.Context(), proxies)
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range snapshot.Proxies {
		for _, host := range state.Hosts {
			if strings.HasPrefix(state.Proxy.Pod, app+"-") && host.Cluster.Direction == observe.Inbound {
				return host.Address
			}
		}
	}
	t.Fatal(errors.New("no such app"))
	return ""
}
