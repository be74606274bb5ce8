package preflight

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/faultline-mesh/faultline/injector"
)

// advice are the rules about policies that are not there, and that good practice
// wants: each says at most one thing, about all of the experiment's calls.
func advice() []rule {
	return []rule{
		{"advice-timeout", adviceTimeout},
		{"advice-outlier-detection", adviceOutlierDetection},
		{"advice-canary-share", adviceCanaryShare},
		{"advice-rollback", adviceRollback},
		{"advice-locality", adviceLocality},
		{"advice-proxy-resources", adviceProxyResources},
		{"advice-foreign-requests", adviceForeignRequests},
	}
}

// canaryShare is the share of requests above which a version is no longer tried
// but used: with a quarter, three of four requests are safe from a bad one, and
// the pods that were there before can still take them all.
const canaryShare = 0.25

// advise makes one finding of some names; none without.
func advise(names []string, format string) []Finding {
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	names = slices.Compact(names)
	text := strings.Join(names, ", ")
	if len(names) > 6 {
		text = strings.Join(names[:6], ", ") + fmt.Sprintf(" and %d more", len(names)-6)
	}
	return []Finding{{Text: fmt.Sprintf(format, text)}}
}

func adviceTimeout(c *check) []Finding {
	var without []string
	missed := len(timeoutNotReached(c)) > 0 // that says it of the faulted services
	for _, h := range c.hops {
		if missed && slices.ContainsFunc(c.Faults, func(f injector.Fault) bool { s, _ := c.faulted(f.On); return s != nil && s.Host == h.To.Host }) {
			continue
		}
		if h.Port.HTTP() && slices.ContainsFunc(h.Routes, func(r Route) bool { return c.takesLoad(h, r) && !r.Direct && r.Timeout == 0 }) {
			without = append(without, h.To.Namespace+"/"+h.To.Name)
		}
	}
	return advise(without, "calls to %s have no timeout, so that a caller waits for as long as they take. Give their routes one, such as timeout: 2s, and retries that fit into it.")
}

func adviceOutlierDetection(c *check) []Finding {
	var without []string
	claimed := map[*Service]bool{} // of those ejection-missing says it
	for _, cl := range c.Claims {
		if _, ejects := ejections(cl); ejects {
			for _, s := range c.named(cl.Service) {
				claimed[s] = true
			}
		}
	}
	c.eachDestination(func(_ Hop, d Destination) {
		s := c.services[d.Host]
		if d.Policy.Ejection == nil && !d.Policy.Missing && s != nil && !claimed[s] && (!d.Policy.HostsKnown || d.Policy.Hosts > 1) {
			without = append(without, s.Namespace+"/"+s.Name)
		}
	})
	return advise(without, "nothing takes a failing host of %s out: there is no outlierDetection in effect. "+
		"Add it to a DestinationRule, with consecutive5xxErrors, and a maxEjectionPercent that lets at least one host go.")
}

func adviceCanaryShare(c *check) []Finding {
	var wide []string
	for _, h := range c.hops {
		for _, r := range h.Routes {
			smallest := Destination{Share: 1}
			subsets := 0
			for _, d := range r.Destination {
				if d.Host != h.To.Host || d.Subset == "" {
					continue
				}
				subsets++
				if d.Share < smallest.Share {
					smallest = d
				}
			}
			if subsets > 1 && smallest.Share > canaryShare && smallest.Share < 1 {
				wide = append(wide, fmt.Sprintf("%s (%s %s, %s)", c.cluster(smallest), r.Object, r.place(), percentText(100*smallest.Share)))
			}
		}
	}
	return advise(wide, "a version that is new gets more than 25%% of the requests: %s. Begin with 1 to 10%%, and raise it while its error rate holds.")
}

// adviceRollback finds versions that routes still name, with weight 0, and that
// have no hosts to go back to.
func adviceRollback(c *check) []Finding {
	var gone []string
	for _, h := range c.hops {
		vs := c.byName[strings.TrimPrefix(h.Object, "VirtualService ")]
		if vs == nil {
			continue
		}
		for _, p := range c.merged(vs) {
			if len(p.route.GetRoute()) < 2 {
				continue
			}
			for _, w := range p.route.GetRoute() {
				d := Destination{Host: c.resolve(w.GetDestination().GetHost(), p.in.Namespace), Subset: w.GetDestination().GetSubset(), Port: h.Port.Number}
				if w.GetWeight() != 0 || d.Subset == "" {
					continue
				}
				if policy := c.policy(d, h.From); policy.Missing || policy.HostsKnown && policy.Hosts == 0 {
					gone = append(gone, c.cluster(d))
				}
			}
		}
	}
	return advise(gone, "%s has weight 0 and no pods: there is nothing to go back to when the other version fails. Keep its pods until the new one is proven.")
}

func adviceLocality(c *check) []Finding {
	var spread []string
	c.eachDestination(func(_ Hop, d Destination) {
		if d.Policy.Ejection == nil && d.Policy.Balancer.GetLocalityLbSetting() == nil && len(c.zonesOf(d)) > 1 {
			spread = append(spread, c.cluster(d))
		}
	})
	return advise(spread, "the hosts of %s are in several zones, and callers use all of them alike, near or far. "+
		"With outlierDetection callers stay in their zone while it is healthy; loadBalancer.localityLbSetting says otherwise.")
}

func adviceProxyResources(c *check) []Finding {
	var without []string
	for _, h := range c.hops {
		s := c.services[h.To.Host]
		if s == nil || len(s.selector) == 0 {
			continue
		}
		if slices.ContainsFunc(c.podsOf(s.Namespace, s.selector), unlimited) {
			without = append(without, s.Namespace+"/"+s.Name)
		}
	}
	return advise(without, "the proxies beside %s have no resource limits, so that a proxy under load takes what the application needs. "+
		"Set the annotations sidecar.istio.io/proxyCPULimit and sidecar.istio.io/proxyMemoryLimit on the pods, or limits for all in the mesh's values.")
}

// unlimited says whether a pod has a proxy without limits.
func unlimited(pod *corev1.Pod) bool {
	if pod.Annotations["sidecar.istio.io/proxyCPULimit"] != "" && pod.Annotations["sidecar.istio.io/proxyMemoryLimit"] != "" {
		return false
	}
	for _, container := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		if container.Name == "istio-proxy" {
			limits := container.Resources.Limits
			return limits.Cpu().IsZero() || limits.Memory().IsZero()
		}
	}
	return false
}
