package injector

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const proxyContainer = "istio-proxy"

// filterTarget is a pod in whose proxy a fault is made, and the ports of it.
type filterTarget struct {
	pod   string
	ports []int64
}

// choosePods returns the pods an Upstream fault is made on: of the running ones
// with the labels the first by name, as many as the fault says, or those that it
// names, or all.
func choosePods(found []*unstructured.Unstructured, f Fault, labels object) ([]*unstructured.Unstructured, error) {
	chosen := slices.DeleteFunc(slices.Clone(found), func(pod *unstructured.Unstructured) bool {
		return !isRunning(pod) || !hasLabels(pod, labels)
	})
	slices.SortFunc(chosen, func(a, b *unstructured.Unstructured) int { return strings.Compare(a.GetName(), b.GetName()) })
	switch {
	case len(f.PodNames) > 0:
		return namedPods(chosen, f)
	case len(chosen) == 0:
		return nil, fmt.Errorf("no running pod belongs to %s", f.On)
	case f.Pods > len(chosen):
		return nil, fmt.Errorf("%d pods were asked for, %d of %s are running", f.Pods, len(chosen), f.On)
	case f.Pods > 0:
		chosen = chosen[:f.Pods]
	case f.PodsPercent > 0:
		chosen = chosen[:shareOf(len(chosen), f.PodsPercent)]
	}
	return chosen, nil
}

// shareOf returns percent of n, rounded up. What floating point adds to a whole
// number does not count.
func shareOf(n int, percent float64) int {
	const noise = 1e-9
	return max(1, min(n, int(math.Ceil(float64(n)*percent/100-noise))))
}

// namedPods returns those of the running pods that the fault names. Each must be
// there.
func namedPods(running []*unstructured.Unstructured, f Fault) ([]*unstructured.Unstructured, error) {
	var missing []error
	for _, name := range f.PodNames {
		if !slices.ContainsFunc(running, func(pod *unstructured.Unstructured) bool { return pod.GetName() == name }) {
			missing = append(missing, fmt.Errorf("no running pod %s belongs to %s", name, f.On))
		}
	}
	return slices.DeleteFunc(running, func(pod *unstructured.Unstructured) bool {
		return !slices.Contains(f.PodNames, pod.GetName())
	}), errors.Join(missing...)
}

func isRunning(pod *unstructured.Unstructured) bool {
	return at[string](pod.Object, "status", "phase") == "Running" && pod.GetDeletionTimestamp() == nil
}

func hasLabels(pod *unstructured.Unstructured, labels object) bool {
	have := at[object](pod.Object, "metadata", "labels")
	for name, value := range labels {
		if have[name] != value {
			return false
		}
	}
	return true
}

// containersOf returns the pod's containers, native sidecars included.
func containersOf(pod object) []object {
	return append(objectsAt(pod, "spec", "containers"), objectsAt(pod, "spec", "initContainers")...)
}

// targetOf returns where in the pod's proxy requests for the ports arrive.
func targetOf(pod *unstructured.Unstructured, ports []servicePort) (filterTarget, error) {
	containers := containersOf(pod.Object)
	if !slices.ContainsFunc(containers, func(c object) bool { return c["name"] == proxyContainer }) {
		return filterTarget{}, fmt.Errorf("pod %s has no container %s: there is no proxy to make the fault in",
			pod.GetName(), proxyContainer)
	}
	t := filterTarget{pod: pod.GetName()}
	for _, port := range ports {
		number, err := targetPort(containers, port)
		if err != nil {
			return filterTarget{}, fmt.Errorf("pod %s: %w", pod.GetName(), err)
		}
		if !slices.Contains(t.ports, number) {
			t.ports = append(t.ports, number)
		}
	}
	return t, nil
}

// targetPort returns the container port that a service port leads to.
func targetPort(containers []object, port servicePort) (int64, error) {
	switch target := port.target.(type) {
	case int64:
		return target, nil
	case string:
		for _, c := range containers {
			for _, p := range objectsAt(c, "ports") {
				if p["name"] == target {
					return at[int64](p, "containerPort"), nil
				}
			}
		}
		return 0, fmt.Errorf("none of its containers has the port %q that port %s of the service leads to", target, port)
	}
	return port.number, nil
}

// subsetLabels returns the labels that a subset of the service asks of pods.
func subsetLabels(rules []*unstructured.Unstructured, svc Service, domain string) (object, error) {
	var found object
	var where []string
	for _, rule := range rules {
		host := resolveHost(at[string](rule.Object, "spec", "host"), rule.GetNamespace(), domain)
		if host != svc.host(domain) {
			continue
		}
		for _, subset := range objectsAt(rule.Object, "spec", "subsets") {
			if subset["name"] != svc.Subset {
				continue
			}
			labels := at[object](subset, "labels")
			if len(where) > 0 && !sameLabels(found, labels) {
				return nil, fmt.Errorf("subset %s means different pods in %s and %s", svc.Subset, where[0], refOf(rule))
			}
			found = labels
			where = append(where, refOf(rule).String())
		}
	}
	if len(where) == 0 {
		return nil, fmt.Errorf("no DestinationRule in namespace %s has a subset %s for it", svc.Namespace, svc.Subset)
	}
	return found, nil
}

func sameLabels(a, b object) bool {
	if len(a) != len(b) {
		return false
	}
	for name, value := range a {
		if b[name] != value {
			return false
		}
	}
	return true
}
