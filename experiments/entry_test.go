package experiments

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
)

const ingress = "istio-system/istio-ingressgateway"

// ingressService is the gateway's Service with ports 80 and 443, the node port of
// each being 30000 more, and the addresses of a load balancer.
func ingressService(addresses ...corev1.LoadBalancerIngress) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: "istio-ingressgateway"},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{
			{Name: "http2", Port: 80, NodePort: 30080}, {Name: "https", Port: 443, NodePort: 30443},
		}},
		Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: addresses}},
	}
}

func node(name string, addresses ...corev1.NodeAddress) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Addresses: addresses}}
}

func TestEntry(t *testing.T) {
	internal := corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "192.168.0.7"}
	external := corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: "203.0.113.7"}
	hostname := corev1.NodeAddress{Type: corev1.NodeHostName, Address: "node-a"}
	inside := ingressService()
	inside.Spec.Ports[0].NodePort = 0
	tests := []struct {
		name    string
		objects []runtime.Object
		url     string
		want    string
		wrong   string
	}{
		{
			name: "a load balancer's IP", url: "http://shop.example/checkout", want: "203.0.113.1:80",
			objects: []runtime.Object{ingressService(corev1.LoadBalancerIngress{IP: "203.0.113.1"})},
		},
		{
			name: "an IPv6 address", url: "http://shop.example/checkout", want: "[2001:db8::1]:80",
			objects: []runtime.Object{ingressService(corev1.LoadBalancerIngress{IP: "2001:db8::1"})},
		},
		{
			name: "a load balancer's name", url: "https://shop.example/checkout", want: "lb.example:443",
			objects: []runtime.Object{ingressService(corev1.LoadBalancerIngress{Hostname: "lb.example"})},
		},
		{
			name: "the first that has either", url: "http://shop.example", want: "203.0.113.2:80",
			objects: []runtime.Object{ingressService(corev1.LoadBalancerIngress{}, corev1.LoadBalancerIngress{IP: "203.0.113.2", Hostname: "lb.example"})},
		},
		{
			name: "a node port", url: "http://shop.example", want: "192.168.0.7:30080",
			objects: []runtime.Object{ingressService(), node("a", hostname, internal)},
		},
		{
			name: "a node port of the URL's own port", url: "http://shop.example:443", want: "192.168.0.7:30443",
			objects: []runtime.Object{ingressService(), node("a", internal)},
		},
		{
			name: "a node that is reached from outside before one that is not", url: "http://shop.example", want: "203.0.113.7:30080",
			objects: []runtime.Object{ingressService(), node("a", internal), node("b", internal, external)},
		},
		{
			name: "no way in", url: "http://shop.example", objects: []runtime.Object{inside, node("a", internal)},
			wrong: "gateway: Service istio-system/istio-ingressgateway has neither a load balancer's address nor a node port, so it cannot be " +
				"reached from outside; leave gateway out and set load.connectTo to a host:port that reaches it",
		},
		{
			name: "no node with an address", url: "http://shop.example", objects: []runtime.Object{ingressService(), node("a", hostname)},
			wrong: "gateway: Service istio-system/istio-ingressgateway has a node port, but no node has an address",
		},
		{
			name: "no such Service", url: "http://shop.example",
			wrong: `gateway: Service istio-system/istio-ingressgateway: services "istio-ingressgateway" not found`,
		},
		{
			name: "a port that it does not have", url: "http://shop.example:8080", objects: []runtime.Object{ingressService()},
			wrong: "gateway: Service istio-system/istio-ingressgateway has ports 80, 443, and load.url wants 8080",
		},
		{
			name: "a URL that is none", url: "http://shop.example:port", objects: []runtime.Object{ingressService()},
			wrong: `load.url: parse "http://shop.example:port": invalid port ":port" after host`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := entry(t.Context(), fake.NewClientset(test.objects...), ingress, test.url)
			said := ""
			if err != nil {
				said = err.Error()
			}
			if got != test.want || said != test.wrong {
				t.Errorf("got %q, %s\nwant %q, %s", got, said, test.want, test.wrong)
			}
		})
	}
}

// Whoever may not list nodes gets the address of one on which the gateway runs,
// and whoever may not list its pods either learns what was asked for.
func TestEntryWithoutTheRightToListNodes(t *testing.T) {
	service := ingressService()
	service.Spec.Selector = map[string]string{"istio": "ingressgateway"}
	pod := func(name, istio, host string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: name, Labels: map[string]string{"istio": istio}},
			Status:     corev1.PodStatus{HostIP: host},
		}
	}
	forbid := func(client *fake.Clientset, resource string) {
		client.PrependReactor("list", resource, func(k8stesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(corev1.Resource(resource), "", nil)
		})
	}
	client := fake.NewClientset(service, pod("a", "istiod", "192.168.0.1"), pod("b", "ingressgateway", ""), pod("c", "ingressgateway", "192.168.0.3"))
	forbid(client, "nodes")
	if got, err := entry(t.Context(), client, ingress, "http://shop.example"); err != nil || got != "192.168.0.3:30080" {
		t.Errorf("got %q, %v", got, err)
	}
	client = fake.NewClientset(service, pod("a", "istiod", "192.168.0.1"))
	forbid(client, "nodes")
	if _, err := entry(t.Context(), client, ingress, "http://shop.example"); err == nil || !strings.Contains(err.Error(), "no pod of it runs on one") {
		t.Errorf("got %v", err)
	}
	forbid(client, "pods")
	if _, err := entry(t.Context(), client, ingress, "http://shop.example"); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "neither can its pods") {
		t.Errorf("got %v", err)
	}
}
