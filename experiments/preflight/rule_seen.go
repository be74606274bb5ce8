package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-mesh/faultline/injector"
)

// faultOnNobody finds faults that no caller's proxy can meet: because none of
// them is told of the service, or none is told of the routes that the fault is
// put into.
func faultOnNobody(c *check) []Finding {
	var all []Finding
	for i, f := range c.Faults {
		s, ports := c.faulted(f.On)
		if s == nil || len(ports) == 0 || f.From.Gateway != "" {
			continue // the injector says so
		}
		field := fmt.Sprintf("faults[%d].on", i)
		hops := c.hopsOf(f)
		if len(hops) == 0 {
			all = append(all, c.unknownTo(f, s, ports, field)...)
			continue
		}
		if f.Site != injector.Caller {
			continue
		}
		for _, edit := range c.Edits {
			object := edit.Ref.String()
			if edit.Fault != i || !strings.HasPrefix(object, "VirtualService ") || edit.Before == nil || c.ruledBy(hops, edit.Ref.Namespace+"/"+edit.Ref.Name) {
				continue
			}
			all = append(all, Finding{Refused: true, Field: field, Object: object, Text: fmt.Sprintf(
				"the fault would be put into its routes, and %s do not have them: %s. Let them see it (exportTo, egress hosts of the Sidecar), or say with from.namespace which callers are meant.",
				hops[0].From, c.whyUnseen(hops[0], edit.Ref.Namespace+"/"+edit.Ref.Name))})
		}
	}
	return all
}

// unknownTo says that no caller knows the service, unless there may be callers
// that are not looked at.
func (c *check) unknownTo(f injector.Fault, s *Service, ports []Port, field string) []Finding {
	namespace := f.From.Namespace
	if namespace == "" {
		namespace = f.On.Namespace
	}
	if slices.ContainsFunc(c.hops, func(h Hop) bool { return h.To.Host == s.Host }) {
		return nil // a gateway calls it
	}
	why := fmt.Sprintf("%s is not exported to namespace %s", s.Object(), namespace)
	for _, from := range c.sidecarCallers(namespace, f.From.Labels) {
		if from.scope != nil && !(scope{from.scope, namespace}).reaches(s, ports[0].Number) {
			why = fmt.Sprintf("Sidecar %s does not have it among its egress hosts", key(from.scope))
		}
	}
	found := Finding{Refused: f.From.Namespace != "", Field: field, Object: s.Object(), Text: fmt.Sprintf(
		"no caller in %s is told of it: %s. Their requests meet no policy of the mesh, and no fault.", namespace, why)}
	if !found.Refused {
		found.Text += " If others call it, say so with from.namespace."
	}
	return []Finding{found}
}

// ruledBy says whether callers of some hop have the routes of a VirtualService,
// or those of one that delegates to it.
func (c *check) ruledBy(hops []Hop, name string) bool {
	return slices.ContainsFunc(hops, func(h Hop) bool {
		return h.Object == "VirtualService "+name || slices.ContainsFunc(h.Routes, func(r Route) bool { return r.Object == "VirtualService "+name })
	})
}

// whyUnseen says why callers do not have a VirtualService's routes.
func (c *check) whyUnseen(h Hop, name string) string {
	vs := c.byName[name]
	switch {
	case vs == nil:
		return "they have others"
	case rank(vs.Spec.GetExportTo(), c.Mesh.GetDefaultVirtualServiceExportTo(), vs.Namespace, h.From.Namespace) == unseen:
		return "it is not exported to namespace " + h.From.Namespace
	case c.seen(vs, h.Port.Number, h.From) == unseen:
		return "Sidecar " + key(h.From.scope) + " does not have it among its egress hosts"
	case h.Object != "":
		return h.Object + " is in its place"
	}
	return "it has no route for them"
}
