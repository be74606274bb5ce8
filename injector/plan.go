package injector

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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
	// Limits are what the plan was made within, with namespaces written out.
	// They are asked once more before each write.
	Limits BlastRadius

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
	root   string // the mesh's root namespace; "" when it is not known
}

// world is the part of the cluster that plans depend on.
type world struct {
	domain           string                                   // DNS domain of the cluster
	services         map[Service]*unstructured.Unstructured   // by target; absent: not found
	virtualServices  []*unstructured.Unstructured             // as far as they can be read
	destinationRules map[string][]*unstructured.Unstructured  // by namespace
	pods             map[Service][]*unstructured.Unstructured // by target: what the Service selects
	gateways         map[string]*unstructured.Unstructured    // by namespace/name; absent: not found
	routes           []*unstructured.Unstructured             // of the Gateway API, as far as they can be read
	namespaces       map[string]*unstructured.Unstructured    // where they matter; absent: not found
	notes            []string                                 // what could not be read
}

// target is svc without what a fault adds to it: the Service itself, or the
// ServiceEntry.
func target(svc Service) Service {
	return Service{Namespace: svc.Namespace, Name: svc.Name, Host: strings.ToLower(svc.Host)}
}

// planner collects a plan and the reasons against it.
type planner struct {
	world
	request
	bounds  bounds // the limits, with namespaces written out
	plan    Plan
	reasons []Reason
	touched map[Ref]bool    // objects that have an edit already
	hit     map[string]bool // pods that have a fault already, by namespace/name
	filters int             // EnvoyFilters so far
	numbers int             // routes so far
}

// makePlan decides how to make the faults in the world as it is. It is pure.
func makePlan(w world, r request) (Plan, error) {
	asked := bounds{r.limits, r.root}
	p := &planner{world: w, request: r, bounds: asked.within(r.faults), touched: map[Ref]bool{}, hit: map[string]bool{}}
	p.virtualServices = slices.Clone(w.virtualServices)
	p.plan = Plan{Run: r.run, Until: newMark(r.until, r.by).Until, Limits: p.bounds.BlastRadius, Notes: slices.Clone(w.notes)}
	if err := validRun(r.run); err != nil {
		p.reasons = append(p.reasons, Reason{"run", err.Error()})
	}
	if !r.until.After(r.now) {
		p.reasons = append(p.reasons, Reason{"until", fmt.Sprintf("%s has passed: the faults would be stale at once", r.until)})
	}
	p.reasons = slices.Concat(p.reasons, asked.problems(), hidden(r.faults), unequalRamps(r.faults))
	for i, f := range r.faults {
		if wrong := p.bounds.refuses(i, f); len(wrong) > 0 {
			p.reasons = append(p.reasons, wrong...)
			continue
		}
		p.add(i, f)
	}
	p.reasons = append(p.reasons, p.optIns()...)
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
		kind := "Service"
		if f.On.Host != "" {
			kind = "ServiceEntry for host"
		}
		p.refuse(i, "on", fmt.Errorf("there is no %s %s", kind, target(f.On)))
		return
	}
	ports, err := faultedPorts(service.Object, f.On.Port)
	if err != nil {
		p.refuse(i, "on.port", err)
		return
	}
	if f.Site == Caller {
		p.addCaller(i, f, service, ports)
		return
	}
	p.addUpstream(i, f, service, ports)
}

// addCaller plans one edit for each VirtualService by which the callers come to
// the service, or the creation of one.
func (p *planner) addCaller(i int, f Fault, service *unstructured.Unstructured, ports []servicePort) {
	s := splice{
		on: f.On, from: f.From, domain: p.domain, manyPorts: len(portsOf(service.Object)) > 1,
		effect: f.Step(0).Effect, spot: spot{run: p.run, fault: i, port: ports[0].number, site: Caller},
		headers: f.Headers, allTraffic: f.AllTraffic,
		run: p.run, mark: newMark(p.until, p.by), children: delegates(p.virtualServices),
	}
	for _, port := range ports {
		s.ports = append(s.ports, port.number)
	}
	if f.From.Gateway != "" {
		if s.gateway = p.gateways[f.From.Gateway]; s.gateway == nil {
			p.refuse(i, "from.gateway", fmt.Errorf("there is no Gateway %s", f.From.Gateway))
			return
		}
	} else if err := shadowed(p.routes, service, f.On, f.From); err != nil {
		p.refuse(i, "on", err)
		return
	}
	owners, notes, err := findOwners(p.virtualServices, s.question())
	if err != nil {
		p.refuse(i, "on", err)
		return
	}
	p.note(i, notes)
	if len(owners) == 0 {
		owners = []*unstructured.Unstructured{nil}
	}
	var nothing []error
	for _, owner := range owners {
		err := p.edit(i, f, owner, s)
		if errors.As(err, new(nothingError)) {
			nothing = append(nothing, err)
		} else {
			p.refuse(i, "on", err)
		}
	}
	if len(nothing) == len(owners) {
		p.refuse(i, "on", errors.Join(nothing...))
	}
}

// edit plans one edit for fault i, of an owner or, without one, the creation of
// a VirtualService.
func (p *planner) edit(i int, f Fault, owner *unstructured.Unstructured, s splice) (err error) {
	s.first, s.spare = p.numbers, (len(p.plan.Edits)+1)*spareRoutes
	edit := Edit{
		Before: owner, Marker: routePrefix(p.run), Fault: i, Signs: s.effect.signs(s.spot),
		percent: f.Percent(), headers: f.Headers, splice: &s, rising: f,
	}
	if owner == nil {
		edit.After, edit.Routes, err = s.create()
	} else if err = p.mayEdit(owner); err == nil {
		s.rivals = findRivals(p.virtualServices, owner, s.question())
		edit.After, edit.Routes, err = s.into(owner)
		err = prefixed(refOf(owner).String()+": ", err)
	}
	if err != nil {
		return err
	}
	edit.Ref, edit.highest = refOf(edit.After), highestPercent(edit.After, p.run)
	p.numbers += len(edit.Routes)
	p.touched[edit.Ref] = true
	p.virtualServices = append(slices.DeleteFunc(p.virtualServices, func(vs *unstructured.Unstructured) bool {
		return refOf(vs) == edit.Ref
	}), edit.After)
	p.addEquipment(i, s, edit.After)
	p.plan.Edits = append(p.plan.Edits, edit)
	p.note(i, neighbours(owner))
	return nil
}

// mayEdit reports why owner is not for this run to edit.
func (p *planner) mayEdit(owner *unstructured.Unstructured) error {
	ref := refOf(owner)
	if p.touched[ref] {
		return nil
	}
	var errs []error
	if text := p.bounds.forbids(ref.Namespace); text != "" {
		errs = append(errs, fmt.Errorf("%s has its routes, and %s", ref, text))
	}
	if carries(owner, p.run) {
		errs = append(errs, fmt.Errorf("%s carries a mark of run %s already", ref, p.run))
	} else if run := ref.creator(); run != "" && carries(owner, run) {
		errs = append(errs, fmt.Errorf("%s was created by run %s and goes with it: wait for that run, or revert it", ref, run))
	}
	return errors.Join(errs...)
}

func (p *planner) note(i int, notes []string) {
	for _, note := range notes {
		p.plan.Notes = append(p.plan.Notes, fmt.Sprintf("faults[%d].on: %s", i, note))
	}
}
