package observe

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// proxyContainer is the name of Envoy's container in every Istio Pod.
const proxyContainer = "istio-proxy"

// Proxies finds the proxies in the given namespaces, or, without any, in all.
// Only Pods that run and are not being deleted count. They are sorted by
// namespace and name. No proxy at all is not an error.
func (m *Mesh) Proxies(ctx context.Context, namespaces ...string) ([]Proxy, error) {
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	var proxies []Proxy
	for _, namespace := range namespaces {
		pods, err := m.pods.Pods(namespace).List(ctx, metav1.ListOptions{FieldSelector: "status.phase=Running"})
		if err != nil {
			return nil, fmt.Errorf("list Pods of %s: %w", namespaceName(namespace), err)
		}
		for i := range pods.Items {
			if p, ok := proxyOf(&pods.Items[i]); ok {
				proxies = append(proxies, p)
			}
		}
	}
	proxies = distinct(proxies)
	slices.SortFunc(proxies, func(a, b Proxy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Pod, b.Pod))
	})
	return proxies, nil
}

func namespaceName(namespace string) string {
	if namespace == metav1.NamespaceAll {
		return "all namespaces"
	}
	return "Namespace " + namespace
}

// proxyOf returns the proxy in pod, if there is a running one.
func proxyOf(pod *corev1.Pod) (Proxy, bool) {
	if pod.Status.Phase != corev1.PodRunning || pod.DeletionTimestamp != nil {
		return Proxy{}, false
	}
	beside := slices.ContainsFunc(pod.Spec.InitContainers, isEnvoy) // a native sidecar
	among := slices.ContainsFunc(pod.Spec.Containers, isEnvoy)
	if !beside && !among {
		return Proxy{}, false
	}
	p := Proxy{
		Namespace: pod.Namespace,
		Pod:       pod.Name,
		IP:        pod.Status.PodIP,
		Labels:    pod.Labels,
		Gateway:   among && len(pod.Spec.Containers) == 1,
		UID:       string(pod.UID),
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if status.Name == proxyContainer {
			p.Restarts, p.Ready = int(status.RestartCount), status.Ready
		}
	}
	return p, true
}

// isEnvoy tells Envoy from ztunnel, whose container has the same name.
func isEnvoy(c corev1.Container) bool {
	return c.Name == proxyContainer && !slices.Contains(c.Args, "ztunnel")
}
