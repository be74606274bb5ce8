package injector

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Blackhole leaves requests without an upstream: their route leads to a service
// that has no endpoints, so the caller's own router answers 503 "no healthy
// upstream" (flag UH) at once. It is what callers see when every pod is gone or
// ejected. There is no host to try, so retries and ejection have nothing to do,
// and the route's timeout has nothing to wait for. It is made at the Caller site
// only, by a ServiceEntry of our own beside the route.
//
// A Percent below 100 is drawn by x-request-id, as [Delays] are. The zero
// Blackhole is invalid.
type Blackhole struct {
	Percent float64 // share of requests chosen, 100/4096 to 100
}

var _ Effect = Blackhole{}

// Validate reports why b cannot be injected, or nil.
func (b Blackhole) Validate() error { return validDrawn(b.Percent) }

// String returns the effect in words, such as "blackhole on 100%".
func (b Blackhole) String() string { return fmt.Sprintf("blackhole on %v%%", b.Percent) }

// partial says whether some requests still reach the service.
func (b Blackhole) partial() bool { return b.Percent < 100 }

func (b Blackhole) inRoute(route object, s spot) ([]object, error) {
	if err := hasOwn(route); err != nil {
		return nil, err
	}
	if !b.partial() {
		route["route"] = s.nowhere()
		return []object{route}, nil
	}
	lost, err := onlyDrawn(route, draw(b.Percent)[0], s.fault)
	if err != nil {
		return nil, err
	}
	lost["route"] = s.nowhere()
	return []object{lost, route}, nil // the rest goes on, and is counted
}

func (b Blackhole) inPod(spot) ([]object, error) {
	return nil, errors.New("a pod's proxy always has its own pod to go to: use the Caller site")
}

func (b Blackhole) signs(s spot) []Sign {
	sign := Sign{Percent: b.Percent, Flags: []string{flagUnhealthy}, Ends: true, Host: s.holeHost()}
	if b.partial() {
		sign.ID = draw(b.Percent)[0].whole(s.fault)
	}
	return []Sign{sign}
}

func (b Blackhole) withPercent(percent float64) Effect {
	b.Percent = percent
	return b
}

// holeName is the name of the ServiceEntry of a fault.
func (s spot) holeName() string { return fmt.Sprintf("%s%d", routePrefix(s.run), s.fault) }

// holeDomain is the domain of hosts without endpoints. No DNS knows it (RFC 2606).
const holeDomain = ".faultline.invalid"

// holeHost is the host that has no endpoints.
func (s spot) holeHost() string { return s.holeName() + holeDomain }

func isHole(host string) bool { return strings.HasSuffix(host, holeDomain) }

// nowhere returns the destinations of a route that leads to no endpoint.
func (s spot) nowhere() []any {
	return []any{object{"destination": object{"host": s.holeHost(), "port": object{"number": s.port}}}}
}

// equipment returns the service without endpoints. It is on a port of the
// faulted service, so that no proxy gets a new listener.
func (b Blackhole) equipment(namespace string, exportTo []string, s spot) (obj *unstructured.Unstructured, shown string) {
	visible := []any{}
	for _, to := range exportTo {
		visible = append(visible, to)
	}
	if len(visible) == 0 {
		visible = append(visible, "*")
	}
	obj = &unstructured.Unstructured{Object: object{
		"apiVersion": serviceEntries.GroupVersion().String(),
		"kind":       kindServiceEntry,
		"metadata":   object{"name": s.holeName(), "namespace": namespace},
		"spec": object{
			"hosts":      []any{s.holeHost()},
			"exportTo":   visible,
			"ports":      []any{object{"number": s.port, "name": "http", "protocol": "HTTP"}},
			"resolution": "STATIC",
		},
	}}
	return obj, fmt.Sprintf("outbound|%d||%s", s.port, s.holeHost())
}
