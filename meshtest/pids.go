package meshtest

import (
	"fmt"

	"github.com/faultline-mesh/faultline/meshtest/internal/process"
)

// Pid returns the process id of a part of the control plane ("etcd",
// "kube-apiserver" or "istiod"), for tests that stop it for a while or kill it.
// Send it what signal you like: SIGSTOP holds it back until SIGCONT.
func (m *Mesh) Pid(part string) (int, error) {
	if m.plane == nil {
		return 0, fmt.Errorf("%s: the mesh is not started", part)
	}
	parts := map[string]*process.Process{"etcd": m.plane.etcd, "kube-apiserver": m.plane.api, "istiod": m.plane.istiod}
	if p := parts[part]; p != nil {
		return p.Pid(), nil
	}
	return 0, fmt.Errorf("%q is no part of the control plane; those are etcd, kube-apiserver and istiod", part)
}

// PodPid returns the process id of a pod's container, "istio-proxy" for its
// Envoy. A container whose process ends takes the pod with it, which starts
// again a second later, under new process ids; see [Mesh.Pid] for signals.
func (m *Mesh) PodPid(namespace, pod, container string) (int, error) {
	if m.node == nil {
		return 0, fmt.Errorf("Pod %s/%s: the mesh is not started", namespace, pod)
	}
	m.node.mu.Lock()
	run := m.node.running[namespace+"/"+pod]
	m.node.mu.Unlock()
	if run == nil {
		return 0, fmt.Errorf("Pod %s/%s does not run", namespace, pod)
	}
	return run.pid(container)
}

// pid is the process id of one of the pod's containers.
func (r *podRun) pid(container string) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, c := range r.pod.Spec.Containers {
		if c.Name == container && i < len(r.processes) {
			return r.processes[i].Pid(), nil
		}
	}
	return 0, fmt.Errorf("Pod %s has no container %q that runs", podKey(r.pod), container)
}
