package preflight

import (
	"strings"
	"testing"

	"github.com/faultline-mesh/faultline/injector"
)

func TestCallerWithoutProxy(t *testing.T) {
	from := func(callers injector.Callers) func(*Question) {
		return func(q *Question) {
			q.Faults = []injector.Fault{abort(injector.Caller, 503, 100, 0)}
			q.Faults[0].From = callers
		}
	}
	bare := strings.Replace(podYAML("batch-0", "batch", "v1"), ", {name: istio-proxy}", "", 1)
	public := strings.Replace(virtualServiceYAML("public", ""), "hosts: [payments]", "hosts: [shop.example]\n  gateways: [public]", 1)
	direct := func(url string) func(*Question) { return func(q *Question) { q.Load.URL = url } }
	tryMistakes(t, "caller-without-proxy", []mistakeCase{
		{"a caller that is asked for", []string{bare}, from(injector.Callers{Namespace: "shop", Labels: map[string]string{"app": "batch"}}), `faults[0].from: Pod shop/batch-0: has no sidecar: its requests to shop/payments meet no fault, and no timeout, retry or ejection of the mesh either. Put in the sidecar (label the namespace istio-injection=enabled and restart the pods), or do not count such callers in the answer.`},
		{"several in the namespace", []string{bare, strings.Replace(bare, "batch-0", "batch-1", 1)}, from(injector.Callers{Namespace: "shop"}), `faults[0].from: Pod shop/batch-0: has no sidecar, nor have shop/batch-1: their requests to shop/payments meet no fault, and no timeout, retry or ejection of the mesh either. Put in the sidecar (label the namespace istio-injection=enabled and restart the pods), or do not count such callers in the answer.`},
		{"one with a sidecar", []string{bare}, from(injector.Callers{Namespace: "shop", Labels: map[string]string{"app": "checkout"}}), ``},
		{"anybody", []string{bare}, from(injector.Callers{}), ``},
		{"one that has ended", []string{strings.Replace(bare, "phase: Running", "phase: Succeeded", 1)}, from(injector.Callers{Namespace: "shop"}), ``},
		{"a gateway beside the callers", []string{ingress, public}, func(q *Question) { from(injector.Callers{})(q); entering(q) }, `faults[0].from: Gateway shop/public: the load comes by it straight to shop/payments: the gateway's proxy goes by routes of its own, and its requests do not meet a fault that is made in sidecars. Set from.gateway: shop/public.`},
		{"the gateway as the caller", []string{ingress, public}, func(q *Question) { from(injector.Callers{Gateway: "shop/public"})(q); entering(q) }, ``},
		{"a gateway before an upstream fault", []string{ingress, public}, entering, ``},
		{"load straight to the service", nil, direct("http://payments.shop:80/pay"), `load.url: goes straight to payments, and faultline has no sidecar: these requests meet no fault at the caller site, and no timeout, retry or ejection of the mesh. Let the load come by a gateway (gateway: namespace/name of its Service), or to a service that calls payments. Where faultline itself runs in a pod with a sidecar, this does not apply.`},
		{"load to another", nil, direct("http://checkout.shop/"), ``},
	})
}
