package injector

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// addEquipment plans what the routes of an effect need beside them. It is seen
// by whoever sees the routes.
func (p *planner) addEquipment(i int, s splice, routes *unstructured.Unstructured) {
	e, ok := s.effect.(equipped)
	if !ok {
		return
	}
	exportTo, _ := exportedTo(routes)
	obj, shown := e.equipment(s.on.Namespace, exportTo, s.spot)
	if p.touched[refOf(obj)] {
		return // of several VirtualServices at a gateway, one brings it
	}
	p.touched[refOf(obj)] = true
	p.refuse(i, "on", p.signWhole(obj))
	p.plan.Edits = append(p.plan.Edits, Edit{Ref: refOf(obj), After: obj, Marker: shown, Fault: i})
}

// signWhole marks an object as created by the run.
func (p *planner) signWhole(obj *unstructured.Unstructured) error {
	m := newMark(p.until, p.by)
	m.Created = true
	return m.putWhole(obj, p.run)
}
