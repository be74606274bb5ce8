package injector

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Abort answers requests itself instead of letting them go on. At the Caller
// site the answer is made in the caller's proxy before its router: no request
// leaves, so that hop's retries, timeouts and ejection cannot see it, and only
// the application and the hops before it are tested. At the Upstream site the
// pod's proxy answers, and the caller's mesh policies meet it like an error of
// the app.
//
// A gRPC request is answered with HTTP 200 and the header grpc-status; without a
// retry policy of the route's own, Istio's tries UNAVAILABLE and CANCELLED again
// (and no HTTP status). A request that is not gRPC, by its content type, gets an
// HTTP 200 with the text "fault filter abort" for a GRPCStatus: most callers
// would call that a success. The zero Abort is invalid.
type Abort struct {
	HTTPStatus int     // status of the answer, 200 to 599; or else
	GRPCStatus string  // name of a gRPC status, such as UNAVAILABLE
	Percent    float64 // share of requests chosen, above 0 and up to 100
}

var _ Effect = Abort{}

// grpcStatuses are the names that Istio knows (pkg/util/grpc), by their code.
var grpcStatuses = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// GRPCFailures returns the names that [Abort] takes as GRPCStatus, by their code:
// all of gRPC's but OK.
func GRPCFailures() []string { return slices.Clone(grpcStatuses[1:]) }

// Validate reports every reason why a cannot be injected, or nil.
func (a Abort) Validate() error {
	var status error
	switch failures := GRPCFailures(); {
	case a.HTTPStatus == 0 && a.GRPCStatus == "":
		status = errors.New("effect: the abort has neither an httpStatus nor a grpcStatus; want one of them")
	case a.HTTPStatus != 0 && a.GRPCStatus != "":
		status = fmt.Errorf("grpcStatus: found %s, but httpStatus is set, too, and says %d; want one of them", a.GRPCStatus, a.HTTPStatus)
	case a.GRPCStatus != "" && !slices.Contains(failures, a.GRPCStatus):
		status = fmt.Errorf("grpcStatus: %q is not the name of a failure in gRPC; known are %s",
			a.GRPCStatus, strings.Join(failures, ", "))
	case a.GRPCStatus == "" && (a.HTTPStatus < 200 || a.HTTPStatus > 599):
		status = fmt.Errorf("httpStatus: %d is not between 200 and 599", a.HTTPStatus)
	}
	return errors.Join(status, validPercent(a.Percent))
}

// String returns the abort in words, such as "abort 503 on 50%".
func (a Abort) String() string {
	status := fmt.Sprint(a.HTTPStatus)
	return fmt.Sprintf("abort %s on %v%%", cmp.Or(a.GRPCStatus, status), a.Percent)
}

func (a Abort) inRoute(route object, _ spot) ([]object, error) {
	abort := object{"httpStatus": int64(a.HTTPStatus), "percentage": object{"value": a.Percent}}
	if a.GRPCStatus != "" {
		abort = object{"grpcStatus": a.GRPCStatus, "percentage": object{"value": a.Percent}}
	}
	return faulted(route, object{"abort": abort})
}

func (a Abort) inPod(spot) ([]object, error) {
	abort := object{"http_status": int64(a.HTTPStatus), "percentage": millionths(a.Percent)}
	if a.GRPCStatus != "" {
		code := slices.Index(grpcStatuses[:], a.GRPCStatus)
		abort = object{"grpc_status": int64(code), "percentage": millionths(a.Percent)}
	}
	return []object{{"abort": abort}}, nil
}

func (a Abort) signs(spot) []Sign {
	return []Sign{{Percent: a.Percent, Flags: []string{flagAborted}, Counter: counterAborts, Ends: true}}
}

func (a Abort) withPercent(percent float64) Effect {
	a.Percent = percent
	return a
}
