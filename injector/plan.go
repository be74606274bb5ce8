package injector

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Plan is what [Injector.Inject] would write, decided but not written. The
// edits are in the order of the faults.
type Plan struct {
	Run   string
	Until time.Time // when the faults are stale, whoever looks
	Lease Ref       // what says that the run is alive, created before the edits; zero when there are none
	Edits []Edit
	Notes []string // what limits the plan, in sentences: who will not meet a fault, what could not be read
}

// request is what a plan is asked for.
type request struct {
	run    string
	by     string
	until  time.Time
	now    time.Time
	faults []Fault
	limits BlastRadius
}

// world is the part of the cluster that plans depend on.
type world struct {
	domain           string                                   // DNS domain of the cluster
	services         map[Service]*unstructured.Unstructured   // by target; absent: not found
	virtualServices  []*unstructured.Unstructured             // as far as they can be read
	destinationRules map[string][]*unstructured.Unstructured  // by namespace
	pods             map[Service][]*unstructured.Unstructured // by target: what the Service selects
	notes            []string                                 // what could not be read
}

// target is svc without what a fault adds to it: the Service itself.
func target(svc Service) Service { return Service{Namespace: svc.Namespace, Name: svc.Name} }

// planner collects a plan and the reasons against it.
type planner struct {
	world
	request
	plan    Plan
	reasons []Reason
	touched map[Ref]bool    // objects that have an edit already
	hit     map[string]bool // pods that have a fault already, by namespace/name
	filters int             // EnvoyFilters so far
	routes  int             // routes so far
}

// makePlan decides how to make the faults in the world as it is. It is pure.
func makePlan(w world, r request) (Plan, error) {
	p := &planner{world: w, request: r, touched: map[Ref]bool{}, hit: map[string]bool{}}
	p.virtualServices = slices.Clone(w.virtualServices)
	p.plan = Plan{Run: r.run, Until: newMark(r.until, r.by).Until, Notes: slices.Clone(w.notes)}
	if err := validRun(r.run); err != nil {
		p.reasons = append(p.reasons, Reason{"run", err.Error()})
	}
	if !r.until.After(r.now) {
		p.reasons = append(p.reasons, Reason{"until", fmt.Sprintf("%s has passed: the faults would be stale at once", r.until)})
	}
	p.reasons = append(p.reasons, r.limits.problems()...)
	p.reasons = append(p.reasons, hidden(r.faults)...)
	for i, f := range r.faults {
		if wrong := r.limits.refuses(i, f); len(wrong) > 0 {
			p.reasons = append(p.reasons, wrong...)
			continue
		}
		p.add(i, f)
	}
	if err := refused(p.reasons); err != nil {
		return Plan{}, err
	}
	return p.plan, p.plan.lease()
}

// refuse notes every problem in err as a reason against fault i.
func (p *planner) refuse(i int, field string, err error) {
	for _, problem := range problems(err) {
		p.reasons = append(p.reasons, Reason{fmt.Sprintf("faults[%d].%s", i, field), problem.Error()})
	}
}

// add plans fault i, which is valid by itself.
func (p *planner) add(i int, f Fault) {
	service := p.services[target(f.On)]
	if service == nil {
		p.refuse(i, "on", fmt.Errorf("there is no Service %s", target(f.On)))
		return
	}
	ports, err := faultedPorts(service.Object, f.On.Port)
	if err != nil {
		p.refuse(i, "on.port", err)
		return
	}
	if f.Site == Caller {
		p.addCaller(i, f, len(portsOf(service.Object)) > 1)
		return
	}
	p.addUpstream(i, f, service, ports)
}

func (p *planner) addCaller(i int, f Fault, manyPorts bool) {
	owner, notes, err := findOwner(p.virtualServices, f.On, p.domain)
	if err != nil {
		p.refuse(i, "on", err)
		return
	}
	s := splice{
		on: f.On, domain: p.domain, manyPorts: manyPorts, fault: f.Effect.istioFault(), allTraffic: f.AllTraffic,
		run: p.run, mark: newMark(p.until, p.by), first: p.routes,
	}
	edit := Edit{Before: owner, Marker: routePrefix(p.run), Fault: i, splice: &s}
	if owner == nil {
		edit.After, edit.Routes, err = s.create()
	} else if err = p.mayEdit(owner); err == nil {
		edit.After, edit.Routes, err = s.into(owner)
		err = prefixed(refOf(owner), err)
	}
	if err != nil {
		p.refuse(i, "on", err)
		return
	}
	edit.Ref = refOf(edit.After)
	p.routes += len(edit.Routes)
	p.touched[edit.Ref] = true
	p.virtualServices = append(slices.DeleteFunc(p.virtualServices, func(vs *unstructured.Unstructured) bool {
		return refOf(vs) == edit.Ref
	}), edit.After)
	p.plan.Edits = append(p.plan.Edits, edit)
	p.note(i, notes)
}

// mayEdit reports why owner is not for this run to edit.
func (p *planner) mayEdit(owner *unstructured.Unstructured) error {
	ref := refOf(owner)
	if p.touched[ref] {
		return nil
	}
	var targets []string
	for _, f := range p.faults {
		targets = append(targets, f.On.Namespace)
	}
	var errs []error
	if text := p.limits.forbids(ref.Namespace, targets); text != "" {
		errs = append(errs, fmt.Errorf("%s has its routes, and %s", ref, text))
	}
	if carries(owner, p.run) {
		errs = append(errs, fmt.Errorf("%s carries a mark of run %s already", ref, p.run))
	} else if run := ref.creator(); run != "" && carries(owner, run) {
		errs = append(errs, fmt.Errorf("%s was created by run %s and goes with it: wait for that run, or revert it", ref, run))
	}
	return errors.Join(errs...)
}

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
	filter := newEnvoyFilter(name, p.run, f, targets)
	m := newMark(p.until, p.by)
	m.Created = true
	if m.SHA, err = fingerprint(filter.Object["spec"]); err == nil {
		err = m.put(filter, p.run)
	}
	p.refuse(i, "on", err)
	p.plan.Edits = append(p.plan.Edits, Edit{Ref: refOf(filter), After: filter, Marker: name, Fault: i, Pods: names})
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

func (p *planner) note(i int, notes []string) {
	for _, note := range notes {
		p.plan.Notes = append(p.plan.Notes, fmt.Sprintf("faults[%d].on: %s", i, note))
	}
}

// prefixed puts ref before each problem in err.
func prefixed(ref Ref, err error) error {
	var errs []error
	for _, problem := range problems(err) {
		errs = append(errs, fmt.Errorf("%s: %w", ref, problem))
	}
	return errors.Join(errs...)
}
