package preflight

import (
	"time"

	"github.com/faultline-mesh/faultline/injector"
)

// symptom is what callers' proxies get to see of a fault that is made in the
// pods of a service.
type symptom struct {
	status  int           // of an answer; 0 for none
	grpc    string        // name of a gRPC status; empty for none
	delay   time.Duration // before the answer
	percent float64       // of the requests in scope, 0-100
}

// symptoms returns what a fault does to requests, each part by itself.
func symptoms(f injector.Fault) []symptom {
	switch effect := f.Effect.(type) {
	case injector.Abort:
		if effect.GRPCStatus != "" {
			return []symptom{{status: httpOf(effect.GRPCStatus), grpc: effect.GRPCStatus, percent: effect.Percent}}
		}
		return []symptom{{status: effect.HTTPStatus, percent: effect.Percent}}
	case injector.Delay:
		return []symptom{{delay: effect.Fixed, percent: effect.Percent}}
	case injector.Delays:
		var all []symptom
		for _, step := range effect.Steps {
			all = append(all, symptom{delay: step.Fixed, percent: step.Percent})
		}
		return all
	}
	return nil
}

// httpOf returns the HTTP status that outlier detection takes a gRPC status for.
//
// Source: source/common/grpc/status.cc (grpcToHttpStatus) of Envoy.
func httpOf(status string) int {
	known := map[string]int{
		"CANCELLED": 499, "INVALID_ARGUMENT": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404, "ALREADY_EXISTS": 409,
		"PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429, "FAILED_PRECONDITION": 400, "ABORTED": 409, "OUT_OF_RANGE": 400,
		"UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "UNAUTHENTICATED": 401,
	}
	if http, found := known[status]; found {
		return http
	}
	return 500
}

// lasts returns how long a caller's proxy waits for a try of a route at most; 0:
// as long as it takes.
func (r Route) lasts() time.Duration {
	if r.Retries.PerTry > 0 && (r.Timeout == 0 || r.Retries.PerTry < r.Timeout) {
		return r.Retries.PerTry
	}
	return r.Timeout
}

// inRow returns how many of a symptom, one after the other, eject a host that a
// route's requests go to; 0: none do.
func (s symptom) inRow(r Route, e *Ejection) int {
	if s.status != 0 {
		return e.InRow(s.status)
	}
	if limit := r.lasts(); limit > 0 && s.delay > limit {
		return e.TimeoutsInRow()
	}
	return 0
}

// retriedOn says whether a route tries a request again that met the symptom.
func (s symptom) retriedOn(r Route) bool {
	switch {
	case s.grpc != "":
		return r.Retries.coversGRPC(s.grpc)
	case s.status != 0:
		return r.Retries.covers(s.status)
	}
	return r.Retries.PerTry > 0 && s.delay > r.Retries.PerTry && r.Retries.coversTimeouts()
}
