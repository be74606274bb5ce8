package observe

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func pod(name string, change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}, {Name: "istio-proxy"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1"},
	}
	if change != nil {
		change(p)
	}
	return p
}

// noDial is the way to proxies for tests that read none.
func noDial(context.Context, Proxy) (tunnel, error) { return nil, errors.New("dialled") }

func TestProxies(t *testing.T) {
	client := fake.NewClientset(
		pod("sidecar", nil),
		pod("native", func(p *corev1.Pod) {
			p.Spec.Containers = []corev1.Container{{Name: "app"}}
			p.Spec.InitContainers = []corev1.Container{{Name: "istio-init"}, {Name: "istio-proxy", Args: []string{"proxy", "sidecar"}}}
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "istio-init", RestartCount: 7}, {Name: "istio-proxy", RestartCount: 2, Ready: true}}
		}),
		pod("gateway", func(p *corev1.Pod) {
			p.Spec.Containers = []corev1.Container{{Name: "istio-proxy", Args: []string{"proxy", "router"}}}
		}),
		pod("elsewhere", func(p *corev1.Pod) { p.Namespace = "bank" }),
		pod("without", func(p *corev1.Pod) { p.Spec.Containers = []corev1.Container{{Name: "app"}, {Name: "istio-proxy-2"}} }),
		pod("ztunnel", func(p *corev1.Pod) {
			p.Spec.Containers = []corev1.Container{{Name: "istio-proxy", Args: []string{"proxy", "ztunnel"}}}
		}),
		pod("pending", func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending }),
		pod("done", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
		pod("leaving", func(p *corev1.Pod) {
			p.DeletionTimestamp = &metav1.Time{Time: time.Now()}
			p.Finalizers = []string{"example.com/held"}
		}),
	)
	m := newMesh(client.CoreV1(), noDial)
	found := func(name string, gateway bool) Proxy {
		return Proxy{Namespace: "shop", Pod: name, IP: "10.0.0.1", Labels: map[string]string{"app": name}, Gateway: gateway}
	}
	native := found("native", false)
	native.Restarts, native.Ready = 2, true
	shop := []Proxy{found("gateway", true), native, found("sidecar", false)}
	elsewhere := found("elsewhere", false)
	elsewhere.Namespace = "bank"
	for name, test := range map[string]struct {
		namespaces []string
		want       []Proxy
	}{
		"all":               {nil, append([]Proxy{elsewhere}, shop...)},
		"one":               {[]string{"shop"}, shop},
		"several":           {[]string{"shop", "bank"}, append([]Proxy{elsewhere}, shop...)},
		"one of them twice": {[]string{"shop", "shop"}, shop},
		"none there":        {[]string{"empty"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := m.Proxies(t.Context(), test.namespaces...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Proxies(%q) (-want +got):\n%s", test.namespaces, diff)
			}
		})
	}
}

func TestProxiesNamesTheNamespace(t *testing.T) {
	client := fake.NewClientset()
	client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("forbidden")
	})
	m := newMesh(client.CoreV1(), noDial)
	for want, namespaces := range map[string][]string{
		"list Pods of Namespace shop: forbidden": {"shop"},
		"list Pods of all namespaces: forbidden": nil,
	} {
		if _, err := m.Proxies(t.Context(), namespaces...); err == nil || err.Error() != want {
			t.Errorf("Proxies(%q): error %v, want %s", namespaces, err, want)
		}
	}
}

func TestProxyString(t *testing.T) {
	if got := checkout.String(); got != "Pod shop/checkout-1" {
		t.Errorf("String() = %q", got)
	}
}
