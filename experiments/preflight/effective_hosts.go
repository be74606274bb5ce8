package preflight

import (
	"cmp"
	"fmt"
	"slices"

	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"
)

// hosts returns how many hosts a cluster of the service has, of those with the
// labels of a subset; none means all. known is false when the objects do not
// tell, as with a host that DNS resolves. A WorkloadEntry beside a Pod of the same
// address is one host.
func (c *check) hosts(s *Service, subset map[string]string) (count int, known bool) {
	at := fmt.Sprint(s.Host, subset)
	if had, counted := c.counted[at]; counted {
		return had.hosts, had.known
	}
	count, known = c.count(s, subset)
	c.counted[at] = counted{count, known}
	return count, known
}

// counted is how many hosts a cluster has.
type counted struct {
	hosts int
	known bool
}

func (c *check) count(s *Service, subset map[string]string) (count int, known bool) {
	switch {
	case s.entry != nil && len(s.selector) == 0:
		return entryHosts(&s.entry.Spec, subset)
	case len(s.selector) == 0:
		return 0, false // somebody else keeps its endpoints
	}
	addresses := c.podAddresses(s, subset)
	count = len(addresses)
	for _, entry := range c.WorkloadEntries {
		has, address := entry.Spec.GetLabels(), entry.Spec.GetAddress()
		if entry.Namespace == s.Namespace && matches(s.selector, has) && matches(subset, has) && !addresses[address] {
			addresses[address] = true
			count++
		}
	}
	return count, count > 0 || !c.unread("pods")
}

// podAddresses returns the addresses of the ready pods of a service, those of a
// subset.
func (c *check) podAddresses(s *Service, subset map[string]string) map[string]bool {
	addresses := map[string]bool{}
	for _, pod := range c.podsOf(s.Namespace, s.selector) {
		if ready(pod) && matches(subset, pod.Labels) {
			addresses[cmp.Or(pod.Status.PodIP, pod.Name)] = true
		}
	}
	return addresses
}

// entryHosts counts what a ServiceEntry has inline.
func entryHosts(spec *networking.ServiceEntry, subset map[string]string) (int, bool) {
	count := 0
	for _, e := range spec.GetEndpoints() {
		if matches(subset, e.GetLabels()) {
			count++
		}
	}
	return count, spec.GetResolution() == networking.ServiceEntry_STATIC || count > 0 && spec.GetResolution() == networking.ServiceEntry_DNS_ROUND_ROBIN
}

// podsOf returns the pods of a namespace that have labels.
func (c *check) podsOf(namespace string, wanted map[string]string) []*corev1.Pod {
	var all []*corev1.Pod
	for _, pod := range c.pods[namespace] {
		if matches(wanted, pod.Labels) {
			all = append(all, pod)
		}
	}
	return all
}

// unread says whether objects of a resource could not be read, so that none
// means nothing.
func (c *check) unread(resource string) bool { return slices.Contains(c.Unread, resource) }

// ready says whether a pod is among the endpoints of its Services.
func ready(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(condition corev1.PodCondition) bool {
		return condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
	})
}

// meshed says whether a pod has a sidecar, and gateway whether it has nothing
// but a proxy.
func meshed(pod *corev1.Pod) (sidecar, gateway bool) {
	isProxy := func(container corev1.Container) bool { return container.Name == "istio-proxy" }
	among := slices.ContainsFunc(pod.Spec.Containers, isProxy)
	switch {
	case among && len(pod.Spec.Containers) == 1:
		return false, true
	case among:
		return true, false
	}
	return slices.ContainsFunc(pod.Spec.InitContainers, isProxy), false
}

// matches says whether labels has all that are wanted.
func matches(wanted, has map[string]string) bool {
	for name, value := range wanted {
		if have, found := has[name]; !found || have != value {
			return false
		}
	}
	return true
}
