package meshtest

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func workloadEntry(pod *corev1.Pod, ip string) manifest {
	ports := map[string]any{}
	for _, p := range append(appPorts(pod), gatewayPorts(pod)...) {
		if p.Name != "" {
			ports[p.Name] = int64(p.ContainerPort)
		}
	}
	spec := map[string]any{"address": ip, "labels": anyMap(pod.Labels), "serviceAccount": pod.Spec.ServiceAccountName}
	if len(ports) > 0 {
		spec["ports"] = ports
	}
	return istioObject("WorkloadEntry", pod, spec)
}

// sidecar makes the pod's listeners. The HTTP_PROXY listener serves Services on
// port 80 under any of their names, on a port that needs no privilege.
func sidecar(pod *corev1.Pod, ip, out string, services []int) manifest {
	var ingress []any
	for _, p := range appPorts(pod) {
		number := int64(p.ContainerPort)
		ingress = append(ingress, map[string]any{
			"port":            map[string]any{"number": number, "protocol": "HTTP", "name": "http-" + strconv.FormatInt(number, 10)},
			"bind":            ip,
			"captureMode":     "NONE",
			"defaultEndpoint": fmt.Sprintf("0.0.0.0:%d", number+appPortOffset), // the proxy's own address
		})
	}
	egress := []any{egressListener(out, proxyPort, "HTTP_PROXY")}
	for _, port := range services {
		egress = append(egress, egressListener(out, port, "HTTP"))
	}
	spec := map[string]any{
		"workloadSelector": map[string]any{"labels": map[string]any{podLabel: pod.Name}},
		"egress":           egress,
	}
	if len(ingress) > 0 {
		spec["ingress"] = ingress
	}
	return istioObject("Sidecar", pod, spec)
}

func egressListener(bind string, port int, protocol string) map[string]any {
	return map[string]any{
		"port": map[string]any{"number": int64(port), "protocol": protocol, "name": "out-" + strconv.Itoa(port)},
		"bind": bind, "captureMode": "NONE", "hosts": []any{"*/*"},
	}
}

func istioObject(kind string, pod *corev1.Pod, spec map[string]any) manifest {
	return manifest{source: "local mesh", Unstructured: &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.istio.io/v1", "kind": kind,
		"metadata": map[string]any{"name": pod.Name, "namespace": pod.Namespace},
		"spec":     spec,
	}}}
}

func gatewayPorts(pod *corev1.Pod) []corev1.ContainerPort {
	if !isGateway(pod) {
		return nil
	}
	return pod.Spec.Containers[0].Ports
}
