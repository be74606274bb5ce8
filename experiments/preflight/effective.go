package preflight

import (
	"cmp"
	"slices"
	"strings"

	networkingv1 "istio.io/client-go/pkg/apis/networking/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faultline-mesh/faultline/injector"
)

// Hop is a call from some callers to one port of a service, with the policy that
// the callers' proxies have for it as far as it follows from the objects.
type Hop struct {
	From   Caller
	To     Service
	Port   Port
	Object string  // whose routes they are, as "VirtualService shop/payments"; empty: Istio's own, for want of one
	Routes []Route // in the order in which a proxy asks them
}

// index finds objects by what they are about, so that rules need not look at
// all of them.
type index struct {
	services map[string]*Service // by host
	exact    map[string][]*networkingv1.VirtualService
	wild     []*networkingv1.VirtualService // with a wildcard among their hosts
	byName   map[string]*networkingv1.VirtualService
	local    map[string]rulesByHost // DestinationRules for callers of their own namespace
	exported map[string]rulesByHost // DestinationRules for callers elsewhere
	private  rulesByHost            // of the root namespace, for callers in it
	pods     map[string][]*corev1.Pod
	counted  map[string]counted // by cluster
}

// newCheck returns what rules look at.
func newCheck(q Question, w World) *check {
	c := &check{Question: q, World: w}
	c.Domain, c.Root = cmp.Or(c.Domain, "cluster.local"), cmp.Or(c.Root, "istio-system")
	c.index = index{
		services: map[string]*Service{}, exact: map[string][]*networkingv1.VirtualService{},
		byName: map[string]*networkingv1.VirtualService{}, pods: map[string][]*corev1.Pod{}, counted: map[string]counted{},
	}
	for _, pod := range c.Pods {
		c.pods[pod.Namespace] = append(c.pods[pod.Namespace], pod)
	}
	c.indexServices()
	c.indexRoutes()
	c.indexRules()
	c.hops = c.findHops()
	return c
}

func (c *check) indexRoutes() {
	for _, vs := range c.VirtualServices {
		c.byName[key(vs)] = vs
		wild := false
		for _, written := range vs.Spec.GetHosts() {
			host := c.resolve(written, vs.Namespace)
			if strings.HasPrefix(host, "*") {
				wild = true
			} else if had := c.exact[host]; len(had) == 0 || had[len(had)-1] != vs {
				c.exact[host] = append(had, vs)
			}
		}
		if wild {
			c.wild = append(c.wild, vs)
		}
	}
}

// resolve returns the name that Istio makes of a host written in an object.
func (c *check) resolve(host, namespace string) string {
	return injector.ResolveHost(host, namespace, c.Domain)
}

// narrower says whether a host that covers something is chosen before another:
// an exact one before a wildcard, a longer before a shorter.
func narrower(host, other string) bool {
	switch wild, otherWild := strings.HasPrefix(host, "*"), strings.HasPrefix(other, "*"); {
	case host == "":
		return false
	case other == "":
		return true
	case wild != otherWild:
		return otherWild
	}
	return len(host) > len(other)
}

// key is namespace/name.
func key(obj metav1.Object) string { return obj.GetNamespace() + "/" + obj.GetName() }

// older orders objects as Istio does: by age, then by name, then by namespace.
func older(a, b metav1.Object) int {
	x, y := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	return cmp.Or(x.Compare(y.Time), cmp.Compare(a.GetName(), b.GetName()), cmp.Compare(a.GetNamespace(), b.GetNamespace()))
}

// Where an object stands for callers in a namespace, as exportTo says.
const (
	unseen  = iota // not exported there
	private        // in its own namespace, to that only
	named          // exported there by name
	public         // exported to everyone
)

// rank says where an object of a namespace stands for callers in another, or in
// the same. standard is what the mesh has for objects without exportTo.
func rank(exportTo, standard []string, namespace, caller string) int {
	if len(exportTo) == 0 {
		exportTo = standard
	}
	switch {
	case len(exportTo) == 0, slices.Contains(exportTo, "*"):
		return public
	case slices.Contains(exportTo, "~"):
		return unseen
	case namespace == caller && (slices.Contains(exportTo, ".") || slices.Contains(exportTo, caller)):
		return private
	case slices.Contains(exportTo, caller):
		return named
	}
	return unseen
}
