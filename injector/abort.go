package injector

import (
	"errors"
	"fmt"
)

// Abort answers requests with an HTTP status instead of letting them go on. At
// the Caller site the answer is made in the caller's proxy before its router:
// no request leaves, so that hop's retries, timeouts and ejection cannot see
// it, and only the application and the hops before it are tested. At the
// Upstream site the pod's proxy answers, and the caller's mesh policies meet
// it like an error of the app. The zero Abort is invalid.
type Abort struct {
	HTTPStatus int     // status of the answer, 200 to 599
	Percent    float64 // share of requests chosen, above 0 and up to 100
}

var _ Effect = Abort{}

// Validate reports every reason why a cannot be injected, or nil.
func (a Abort) Validate() error {
	var status error
	if a.HTTPStatus < 200 || a.HTTPStatus > 599 {
		status = fmt.Errorf("httpStatus: %d is not between 200 and 599", a.HTTPStatus)
	}
	return errors.Join(status, validPercent(a.Percent))
}

// String returns the abort in words, such as "abort 503 on 50%".
func (a Abort) String() string { return fmt.Sprintf("abort %d on %v%%", a.HTTPStatus, a.Percent) }

func (a Abort) istioFault() object {
	return object{"abort": object{"httpStatus": int64(a.HTTPStatus), "percentage": object{"value": a.Percent}}}
}

func (a Abort) envoyFault() object {
	return object{"abort": object{"http_status": int64(a.HTTPStatus), "percentage": millionths(a.Percent)}}
}

func (a Abort) percent() float64 { return a.Percent }
