package meshtest

import (
	"context"

	corev1 "k8s.io/api/core/v1"
)

// wiring is how pods are connected: where a pod's address comes from, how its
// traffic gets through its sidecar, and what the mesh must know for that. The
// node knows nothing of it. [loopback] is the wiring that runs anywhere.
type wiring interface {
	// attach gives a pod its address and makes whatever objects its proxy needs.
	attach(ctx context.Context, pod *corev1.Pod) (*attachment, error)
	// relabel tells the mesh that the pod's labels have changed.
	relabel(ctx context.Context, pod *corev1.Pod) error
	// detach takes everything of attach away; unknown pods are a no-op.
	detach(ctx context.Context, pod *corev1.Pod) error
}

// attachment is what a wiring tells the node about one pod.
type attachment struct {
	IP        string   // the pod's address, where callers reach it
	Env       []string // for the app's processes: LISTEN_ADDR, HTTP_PROXY …
	Bootstrap []byte   // Envoy's configuration; nil for a pod without a sidecar
	Admin     string   // URL of Envoy's admin endpoint
	Listens   []string // addresses that accept connections once the pod is ready
}

// proxyContainer is Istio's name for the container of a sidecar or gateway.
const proxyContainer = "istio-proxy"

// hasProxy reports whether a pod has a sidecar or is a gateway.
func hasProxy(pod *corev1.Pod) bool {
	for _, c := range pod.Spec.Containers {
		if c.Name == proxyContainer {
			return true
		}
	}
	return false
}

// isGateway reports whether a pod is a proxy and nothing else.
func isGateway(pod *corev1.Pod) bool {
	return len(pod.Spec.Containers) == 1 && pod.Spec.Containers[0].Name == proxyContainer
}

// appPorts are the ports of the pod's own program.
func appPorts(pod *corev1.Pod) []corev1.ContainerPort {
	var ports []corev1.ContainerPort
	for _, c := range pod.Spec.Containers {
		if c.Name != proxyContainer {
			ports = append(ports, c.Ports...)
		}
	}
	return ports
}
