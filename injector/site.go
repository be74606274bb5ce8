package injector

import "fmt"

// Site is the proxy in which a fault is made. It decides what a fault can
// test, so there is no default: the zero value is NoSite, which is invalid.
type Site int

const (
	// NoSite is the zero Site; no fault can be made there.
	NoSite Site = iota

	// Caller is the proxy of whoever calls the service, by a route of a
	// VirtualService. It tests the calling application: the mesh policies of
	// that same hop never see the fault.
	Caller

	// Upstream is the proxy of pods of the service, by an EnvoyFilter. It tests
	// the timeouts, retries and ejection that the mesh has toward the service.
	Upstream
)

// String returns "caller" or "upstream".
func (s Site) String() string {
	switch s {
	case Caller:
		return "caller"
	case Upstream:
		return "upstream"
	case NoSite:
		return "no site"
	}
	return fmt.Sprintf("site(%d)", int(s))
}
