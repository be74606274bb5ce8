package injector

import (
	"context"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// TestUpdateNeedsAVersion keeps a write without a resourceVersion, which would
// overwrite whatever is there, from leaving this package.
func TestUpdateNeedsAVersion(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	_, err := c.injector().update(t.Context(), decodeOne(t, paymentsRoutes))
	if err == nil || !strings.Contains(err.Error(), "no resourceVersion") || len(c.writes) > 0 {
		t.Errorf("%v, writes %q", err, c.writes)
	}
}

// TestIsRefusal tells a word of the API server from silence.
func TestIsRefusal(t *testing.T) {
	resource := virtualServices.GroupResource()
	tests := map[string]struct {
		err  error
		want bool
	}{
		"conflict":          {apierrors.NewConflict(resource, "x", errLost), true},
		"forbidden":         {apierrors.NewForbidden(resource, "x", errLost), true},
		"invalid":           {apierrors.NewInvalid(virtualServices.GroupVersion().WithKind("x").GroupKind(), "x", nil), true},
		"wrapped":           {fmt.Errorf("update: %w", apierrors.NewBadRequest("x")), true},
		"request timeout":   {apierrors.NewGenericServerResponse(408, "put", resource, "x", "", 0, true), false},
		"gateway timeout":   {apierrors.NewTimeoutError("x", 1), false},
		"server timeout":    {apierrors.NewServerTimeout(resource, "put", 1), false},
		"a webhook is away": {apierrors.NewInternalError(errLost), false},
		"connection lost":   {errLost, false},
		"context ended":     {context.DeadlineExceeded, false},
	}
	for name, test := range tests {
		if got := isRefusal(test.err); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
