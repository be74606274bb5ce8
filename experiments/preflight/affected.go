package preflight

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/faultline-mesh/faultline/injector"
)

// Reach is whom one fault concerns.
type Reach struct {
	Fault     int            `json:"fault"`     // its index
	Proxies   int            `json:"proxies"`   // in how many proxies it will be made
	Workloads map[string]int `json:"workloads"` // of which: how many proxies of each, by "namespace/name"; a gateway's end in " (gateway)"
	Blast     string         `json:"blast"`     // which requests meet it, and how many a second, in words
}

// String says whom: "8 proxies (shop/checkout, shop/payments × 3, …)".
func (r Reach) String() string {
	if r.Proxies == 0 {
		return "no proxy that is known"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.Workloads)) {
		if n := r.Workloads[name]; n > 1 {
			name += fmt.Sprintf(" × %d", n)
		}
		parts = append(parts, name)
	}
	const most = 12
	if len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("and %d more workloads", len(parts)-most))
	}
	count := "1 proxy"
	if r.Proxies != 1 {
		count = fmt.Sprintf("%d proxies", r.Proxies)
	}
	return fmt.Sprintf("%s (%s)", count, strings.Join(parts, ", "))
}

// reaches returns whom each fault concerns.
func (c *check) reaches() []Reach {
	var all []Reach
	for i, f := range c.Faults {
		r := Reach{Fault: i, Workloads: map[string]int{}, Blast: c.blast(f)}
		for pod := range c.proxiesOf(i, f) {
			r.Workloads[workload(pod)]++
			r.Proxies++
		}
		all = append(all, r)
	}
	return all
}

// proxiesOf returns the pods in whose proxies a fault will be made: at the caller
// site those that are told of the service.
func (c *check) proxiesOf(i int, f injector.Fault) map[*corev1.Pod]bool {
	s, ports := c.faulted(f.On)
	found := map[*corev1.Pod]bool{}
	for _, edit := range c.Edits {
		if edit.Fault != i || len(edit.Signs) == 0 {
			continue
		}
		for _, pod := range c.Pods {
			sidecar, gateway := meshed(pod)
			if (sidecar || gateway) && edit.MadeIn(pod.Namespace, pod.Name, pod.Labels, gateway) && (gateway || f.Site == injector.Upstream || c.told(pod, s, ports)) {
				found[pod] = true
			}
		}
	}
	return found
}

// told says whether a pod's sidecar knows a service.
func (c *check) told(pod *corev1.Pod, s *Service, ports []Port) bool {
	if s == nil || len(ports) == 0 {
		return true
	}
	from := Caller{Namespace: pod.Namespace, Labels: labelsOf(pod)}
	from.scope = c.sidecarOf(from)
	return c.reachable(s, ports[0].Number, from)
}

// workload names what a pod is of, as far as its name and its owner tell.
func workload(pod *corev1.Pod) string {
	name := pod.Name
	for _, owner := range pod.OwnerReferences {
		if owner.Controller != nil && *owner.Controller {
			name = owner.Name
		}
	}
	if hash := pod.Labels["pod-template-hash"]; hash != "" {
		name = strings.TrimSuffix(name, "-"+hash)
	}
	name = pod.Namespace + "/" + name
	if _, gateway := meshed(pod); gateway {
		name += " (gateway)"
	}
	return name
}

// blast says which requests a fault hits, and how many of the run's own load.
func (c *check) blast(f injector.Fault) string {
	percent := percentText(f.Percent())
	if len(f.Ramp) > 0 {
		var steps []string
		for _, p := range f.Ramp {
			steps = append(steps, percentText(p))
		}
		percent = strings.Join(append(steps, percent), ", then ")
	}
	where, share := c.spread(f)
	switch {
	case f.AllTraffic:
		return fmt.Sprintf("%s of ALL requests to %s%s, whoever sends them", percent, f.On, where)
	case len(f.Headers) > 0:
		var asked []string
		for _, name := range slices.Sorted(maps.Keys(f.Headers)) {
			asked = append(asked, name+": "+f.Headers[name])
		}
		return fmt.Sprintf("%s of all requests to %s with %s%s, whoever sends them", percent, f.On, strings.Join(asked, " and "), where)
	}
	rate := c.rate() * f.Percent() / 100 * share
	return fmt.Sprintf("about %s of the load's %s requests a second (%s%s), %s in %s, if each calls %s once; nobody else's",
		short(rate), short(c.rate()), percent, where, short(rate*c.Duration.Seconds()), c.Duration, cmp.Or(f.On.Name, f.On.Host))
}

// spread says in how many of the service's hosts a fault is, and which share of
// the requests they get when they are used alike.
func (c *check) spread(f injector.Fault) (text string, share float64) {
	s, _ := c.faulted(f.On)
	if f.Site != injector.Upstream || s == nil {
		return "", 1
	}
	pods := map[string]bool{}
	for _, edit := range c.Edits {
		if edit.Fault >= 0 && edit.Fault < len(c.Faults) && c.Faults[edit.Fault].On == f.On {
			for _, pod := range edit.Pods {
				pods[pod] = true
			}
		}
	}
	hosts, known := c.hosts(s, nil)
	if !known || hosts == 0 || len(pods) == 0 {
		return "", 1
	}
	return fmt.Sprintf(" in %d of %s", len(pods), plural(hosts, "host")), min(1, float64(len(pods))/float64(hosts))
}

// short prints a number with one digit behind the point where it has one.
func short(x float64) string {
	if text := fmt.Sprintf("%.1f", x); !strings.HasSuffix(text, ".0") {
		return text
	}
	return fmt.Sprintf("%.0f", x)
}
