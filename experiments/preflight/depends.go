package preflight

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faultline-mesh/faultline/injector"
)

// Dependency is a part of the mesh that a plan follows from, and what it was
// like.
type Dependency struct {
	Object string `json:"object"` // as "Kind namespace/name", or what else it is
	SHA    string `json:"sha"`    // of what matters in it
}

// Changes says how the mesh differs from what a plan was made for, one thing a
// line; nothing when it does not.
func Changes(planned, now []Dependency) []string {
	was, is := map[string]string{}, map[string]string{}
	for _, d := range planned {
		was[d.Object] = d.SHA
	}
	for _, d := range now {
		is[d.Object] = d.SHA
	}
	var changes []string
	for _, object := range slices.Sorted(maps.Keys(was)) {
		switch sha, found := is[object]; {
		case !found:
			changes = append(changes, object+" is gone")
		case sha != was[object]:
			changes = append(changes, object+" is not as it was")
		}
	}
	for _, object := range slices.Sorted(maps.Keys(is)) {
		if _, found := was[object]; !found {
			changes = append(changes, object+" is new")
		}
	}
	return changes
}

// depends returns what the plan follows from: of the calls that the experiment is
// about everything that rules them, or would if it were older; and the pods.
func (c *check) depends() []Dependency {
	all := map[string]string{"mesh configuration": digest(c.Mesh)}
	add := func(kind string, obj metav1.Object, spec any) {
		all[kind+" "+key(obj)] = digest(obj.GetUID(), spec)
	}
	for host := range c.hostsOfHops() {
		c.dependOn(host, add)
	}
	c.dependOnEntries(add)
	c.dependOnPods(add)
	for _, h := range c.hops {
		if h.From.scope != nil {
			add("Sidecar", h.From.scope, &h.From.scope.Spec)
		}
		for _, r := range h.Routes {
			for _, d := range r.Destination {
				all[fmt.Sprintf("number of hosts of %s", c.clusterName(d))] = digest(d.Policy.Hosts)
			}
		}
	}
	var list []Dependency
	for _, object := range slices.Sorted(maps.Keys(all)) {
		list = append(list, Dependency{object, all[object]})
	}
	return list
}

// adder takes an object of a kind, and what matters in it.
type adder func(kind string, obj metav1.Object, spec any)

// dependOnEntries adds by what the load enters, and what takes it from there.
func (c *check) dependOnEntries(add adder) {
	for _, g := range c.entries() {
		for _, vs := range g.routes {
			add("VirtualService", vs, &vs.Spec)
		}
	}
	for _, gateway := range c.Gateways {
		if slices.ContainsFunc(c.hops, func(h Hop) bool { return h.From.Gateway == key(gateway) }) {
			add("Gateway", gateway, &gateway.Spec)
		}
	}
}

// dependOnPods adds the pods in which faults are made.
func (c *check) dependOnPods(add adder) {
	for _, edit := range c.Edits {
		for _, pod := range c.pods[edit.Ref.Namespace] {
			if slices.Contains(edit.Pods, pod.Name) {
				add("Pod", pod, pod.Labels)
			}
		}
	}
}

// dependOn adds what rules calls to a host.
func (c *check) dependOn(host string, add adder) {
	for _, vs := range c.virtualServices(host) {
		add("VirtualService", vs, &vs.Spec)
		for _, p := range c.merged(vs) {
			add("VirtualService", p.in, &p.in.Spec)
		}
	}
	for _, dr := range c.DestinationRules {
		if injector.HostMatches(c.resolve(dr.Spec.GetHost(), dr.Namespace), host) {
			add("DestinationRule", dr, &dr.Spec)
		}
	}
	for _, svc := range c.Services {
		if svc.Name+"."+svc.Namespace+".svc."+c.Domain == host {
			add("Service", svc, []any{svc.Spec.Ports, svc.Spec.Selector})
		}
	}
	for _, entry := range c.ServiceEntries {
		if slices.ContainsFunc(entry.Spec.GetHosts(), func(h string) bool { return strings.EqualFold(h, host) }) {
			add("ServiceEntry", entry, &entry.Spec)
		}
	}
}

// hostsOfHops are the services that are called, and those that routes lead to.
func (c *check) hostsOfHops() map[string]bool {
	hosts := map[string]bool{}
	for _, h := range c.hops {
		hosts[h.To.Host] = true
		for _, r := range h.Routes {
			for _, d := range r.Destination {
				hosts[d.Host] = true
			}
		}
	}
	return hosts
}

// clusterName names a destination: "payments.shop.svc.cluster.local:80 subset v2".
func (c *check) clusterName(d Destination) string {
	name := fmt.Sprintf("%s:%d", d.Host, d.Port)
	if d.Subset != "" {
		name += " subset " + d.Subset
	}
	return name
}

// digest returns a short sum of what parts hold.
func digest(parts ...any) string {
	text, err := json.Marshal(parts)
	if err != nil {
		text = []byte(err.Error()) // what came from JSON goes back into it
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
