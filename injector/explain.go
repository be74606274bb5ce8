package injector

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// explain puts into words what stands in the way of an undo, with the API
// server's own word, which names the verb and the resource of a missing right.
func explain(err error, u *undo) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "failed calling webhook"):
		return fmt.Errorf("revert %s: %w\n  the API server asks a webhook about every change of a %s and gets no answer: mostly istiod, which validates "+
			"Istio's objects, is down. Bring it back; or set failurePolicy of that webhook to Ignore until it is "+
			"(kubectl get validatingwebhookconfigurations)", u.ref, err, u.ref.Kind)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("revert %s: %w (when everything else is answered, the API server may be waiting for a webhook that hangs: "+
			"is istiod, which validates Istio's objects, alive?)", u.ref, err)
	case u.bare && isRefusal(err):
		return fmt.Errorf("revert %s: %w\n  nothing but routes of run %s is in it, and Istio takes no VirtualService without routes: "+
			"delete it, or give it a route of your own and revert again", u.ref, err, u.run)
	case strings.Contains(text, "denied the request"), strings.Contains(text, "denied request"):
		return fmt.Errorf("revert %s: %w\n  a policy of the cluster refuses the object as it would be without run %s", u.ref, err, u.run)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fmt.Errorf("revert %s: the rights for it are missing: %w", u.ref, err)
	}
	return fmt.Errorf("revert %s: %w", u.ref, err)
}
