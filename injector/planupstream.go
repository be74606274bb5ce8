package injector

import (
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// addUpstream plans one EnvoyFilter for the pods in which fault i is made.
func (p *planner) addUpstream(i int, f Fault, service *unstructured.Unstructured, ports []servicePort) {
	pods, err := p.podsFor(f, service)
	if err != nil {
		p.refuse(i, "on", err)
		return
	}
	var targets []filterTarget
	var names []string
	for _, pod := range pods {
		t, err := targetOf(pod, ports)
		if err != nil {
			p.refuse(i, "on", err)
			continue
		}
		targets, names = append(targets, t), append(names, t.pod)
		p.hit[pod.GetNamespace()+"/"+t.pod] = true
	}
	if limit := p.limits.MaxPods; limit > 0 && len(p.hit) > limit {
		p.refuse(i, "pods", fmt.Errorf("%d pods with a fault are above blastRadius.maxPods %d", len(p.hit), limit))
	}
	p.filters++
	name := filterName(p.run, p.filters)
	where := spot{run: p.run, fault: i, port: ports[0].number, site: Upstream}
	first := f.Step(0)
	filters, err := httpFilters(name, first, where)
	if err != nil {
		p.refuse(i, "effect", err)
		return
	}
	filter := newEnvoyFilter(name, filters, f.On.Namespace, targets)
	p.refuse(i, "on", p.signWhole(filter))
	p.plan.Edits = append(p.plan.Edits, Edit{
		Ref: refOf(filter), After: filter, Marker: name, Fault: i, Pods: names, Signs: first.Effect.signs(where),
		percent: f.Percent(), highest: highestPercent(filter, p.run), headers: f.Headers,
		filter: &filterSet{name: name, targets: targets, spot: where}, rising: f,
	})
}

// podsFor returns the pods in whose proxies an Upstream fault is made.
func (p *planner) podsFor(f Fault, service *unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	labels := maps.Clone(at[object](service.Object, "spec", "selector"))
	if len(labels) == 0 {
		return nil, fmt.Errorf("Service %s selects no pods by label, so it cannot be told which are its own", target(f.On))
	}
	if f.On.Subset != "" {
		subset, err := subsetLabels(p.destinationRules[f.On.Namespace], f.On, p.domain)
		if err != nil {
			return nil, err
		}
		maps.Copy(labels, subset)
	}
	return choosePods(p.pods[target(f.On)], f, labels)
}
