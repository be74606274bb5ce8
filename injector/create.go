package injector

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// maxHostInName is how much of a host goes into the name of an object of ours.
const maxHostInName = 150

// create returns a VirtualService of our own for a service that has none: the
// faulted route, and behind it one that sends everything else on as before.
// When the callers of one namespace are meant, only they see it.
func (s splice) create() (*unstructured.Unstructured, []string, error) {
	if s.on.Subset != "" {
		return nil, nil, fmt.Errorf("no VirtualService routes to subset %s, so callers do not choose it: use the upstream site",
			s.on.Subset)
	}
	host := s.on.host(s.domain)
	spec := object{
		"hosts": []any{host},
		"http":  []any{object{"route": []any{object{"destination": object{"host": host}}}}},
	}
	name := s.on.Name
	if s.on.Host != "" {
		name = strings.TrimRight(host[:min(len(host), maxHostInName)], ".-")
	}
	if s.from.Namespace != "" {
		name += "-for-" + s.from.Namespace
		spec["exportTo"] = []any{s.from.Namespace}
	}
	vs := &unstructured.Unstructured{Object: object{
		"apiVersion": virtualServices.GroupVersion().String(),
		"kind":       kindVirtualService,
		"metadata":   object{"name": routePrefix(s.run) + name, "namespace": s.on.Namespace},
		"spec":       spec,
	}}
	s.mark.Created = true
	created, names, err := s.into(vs)
	if err != nil {
		err = fmt.Errorf("no VirtualService rules it, and a plain route of our own would not do: %w", err)
	}
	return created, names, err
}
