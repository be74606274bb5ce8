package injector

import "fmt"

// sendsThere says whether a route sends its requests to what the fault is on.
// Sidecars have already chosen the service by its host, and only a subset is
// left to tell; at a gateway it takes the destination. A route that sends only
// a part of its requests there cannot be faulted for that part alone.
func (s splice) sendsThere(route object, namespace string) (bool, error) {
	if s.on.Subset == "" && s.gateway == nil {
		return true, nil
	}
	inside, outside := 0, 0
	for _, leaf := range leaves(route, namespace, s.children) {
		destinations := objectsAt(leaf.route, "route")
		for _, d := range destinations {
			switch {
			case len(destinations) > 1 && at[int64](d, "weight") == 0: // gets no requests
			case s.isMeant(at[object](d, "destination"), leaf.namespace):
				inside++
			default:
				outside++
			}
		}
	}
	if inside > 0 && outside > 0 {
		return false, fmt.Errorf("splits its requests between %s and others, which happens after the fault: "+
			"use the upstream site", s.what())
	}
	return inside > 0, nil
}

// isMeant says whether a destination is what the fault is on. The port in a
// match is that of the gateway there, so the destination's tells.
func (s splice) isMeant(destination object, namespace string) bool {
	port := at[int64](destination, "port", "number")
	otherPort := s.gateway != nil && s.on.Port != 0 && s.manyPorts && port != int64(s.on.Port)
	return resolveHost(at[string](destination, "host"), namespace, s.domain) == s.on.host(s.domain) &&
		(s.on.Subset == "" || at[string](destination, "subset") == s.on.Subset) && !otherPort
}

// what names what a destination is compared with.
func (s splice) what() string {
	switch {
	case s.on.Subset != "":
		return "subset " + s.on.Subset
	case s.on.Port != 0:
		return fmt.Sprintf("port %d of the service", s.on.Port)
	}
	return "the service"
}
