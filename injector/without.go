package injector

import (
	"errors"
	"fmt"
	"time"
)

// Policy is what a route of a VirtualService has against failure.
type Policy int

const (
	// NoPolicy is the zero Policy, which no route can lose.
	NoPolicy Policy = iota

	// Retries is how often a route tries again, and perTryTimeout with it. A
	// route that says nothing has Istio's default, two more tries of what never
	// reached the service (networking/core/route/retry).
	Retries

	// Timeout is how long a route waits for the whole answer. A perTryTimeout,
	// which belongs to the retries, still bounds each try.
	Timeout
)

// String returns "retries" or "timeout".
func (p Policy) String() string {
	switch p {
	case Retries:
		return "retries"
	case Timeout:
		return "timeout"
	case NoPolicy:
		return "no policy"
	}
	return fmt.Sprintf("policy(%d)", int(p))
}

// Without sends the run's requests over routes that lack a policy. It is a
// negative control: an experiment that held because of the policy must not hold
// beside it. It breaks nothing by itself. Routes that have no such policy stay
// as they are. It is made at the Caller site only, where the policy is, and meets
// every request in scope. The zero Without is invalid.
type Without struct {
	Policy Policy // required
}

var _ Effect = Without{}

// Validate reports why w cannot be injected, or nil.
func (w Without) Validate() error {
	if w.Policy != Retries && w.Policy != Timeout {
		return fmt.Errorf("policy: %s: say Retries or Timeout", w.Policy)
	}
	return nil
}

// String returns the effect in words, such as "without retries".
func (w Without) String() string { return "without " + w.Policy.String() }

func (w Without) inRoute(route object, _ spot) ([]object, error) {
	if err := hasOwn(route); err != nil {
		return nil, err
	}
	if w.Policy == Timeout {
		if timeout, err := time.ParseDuration(at[string](route, "timeout")); err != nil || timeout == 0 {
			return nil, idleError("has no timeout that the run's requests could do without")
		}
		delete(route, "timeout")
		return []object{route}, nil
	}
	if route["retries"] != nil && at[int64](route, "retries", "attempts") == 0 {
		return nil, idleError("has retries switched off (attempts: 0): there are none that the run's requests could do without")
	}
	route["retries"] = object{"attempts": int64(0)} // without the field, Istio's default would hold
	return []object{route}, nil
}

func (w Without) inPod(spot) ([]object, error) {
	return nil, errors.New("retries and timeouts toward a service are its callers': use the Caller site")
}

func (w Without) signs(spot) []Sign { return []Sign{{Percent: 100}} }
