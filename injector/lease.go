package injector

import (
	"context"
	"fmt"
	"regexp"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	kindLease = "Lease"
	labelRun  = "faultline.dev/run" // on the Lease of a run; value: the run
)

var (
	leases       = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	leasePattern = regexp.MustCompile(`^faultline-([0-9a-f]{4,32})$`)
)

// DefaultLeaseDuration is for how long a run counts as alive after the last
// renewal of its Lease.
const DefaultLeaseDuration = 10 * time.Second

// What [WithLeaseDuration] takes. Below, a slow API server would look like a
// dead run; above, a dead run would look alive for long.
const (
	minLeaseDuration = 3 * time.Second
	maxLeaseDuration = time.Minute
)

// renewEvery is how often a Lease is renewed; more often when it is short.
const renewEvery = time.Second

// WithLeaseDuration sets for how long others take a run of this Injector for
// alive when its Lease is no longer renewed: whole seconds, from 3 s to 1 min.
// The default is [DefaultLeaseDuration].
func WithLeaseDuration(d time.Duration) Option {
	return func(i *Injector) error {
		if d < minLeaseDuration || d > maxLeaseDuration || d%time.Second != 0 {
			return fmt.Errorf("lease duration: %s is not whole seconds from %s to %s", d, minLeaseDuration, maxLeaseDuration)
		}
		i.leaseDuration = d
		return nil
	}
}

// leaseRef is where the Lease of run is in namespace.
func leaseRef(namespace, run string) Ref {
	return Ref{Kind: kindLease, Namespace: namespace, Name: "faultline-" + run}
}

// key is how a mark names a Lease.
func (r Ref) key() string { return r.Namespace + "/" + r.Name }

// lease gives the plan its Lease, in the namespace of its first edit, and names
// it in the marks of all edits.
func (p *Plan) lease() error {
	if len(p.Edits) == 0 {
		return nil
	}
	p.Lease = leaseRef(p.Edits[0].Ref.Namespace, p.Run)
	for _, edit := range p.Edits {
		m, _, err := markOf(edit.After, p.Run)
		if err != nil {
			return fmt.Errorf("%s: mark: %w", edit.Ref, err)
		}
		m.Lease = p.Lease.key()
		if err := m.put(edit.After, p.Run); err != nil {
			return fmt.Errorf("%s: %w", edit.Ref, err)
		}
		if edit.splice != nil {
			edit.splice.mark.Lease = m.Lease
		}
	}
	return nil
}

// newLease returns the Lease that says that a run is alive. It has a mark like
// every object of a run, so that it tells by itself until when it means
// anything, and how to undo it.
func newLease(plan Plan, by string, duration time.Duration, now time.Time) (*unstructured.Unstructured, error) {
	lease := &unstructured.Unstructured{Object: object{
		"apiVersion": leases.GroupVersion().String(),
		"kind":       kindLease,
		"metadata": object{
			"name": plan.Lease.Name, "namespace": plan.Lease.Namespace, "labels": object{labelRun: plan.Run},
		},
		"spec": object{
			"holderIdentity":       by,
			"leaseDurationSeconds": int64(duration / time.Second),
			"acquireTime":          microTime(now),
			"renewTime":            microTime(now),
		},
	}}
	m := newMark(plan.Until, by)
	m.Created = true
	return lease, m.put(lease, plan.Run)
}

// microTime renders t as Kubernetes' MicroTime.
func microTime(t time.Time) string { return t.UTC().Format(metav1.RFC3339Micro) }

// heartbeat is what a Lease tells about the run that holds it.
type heartbeat struct {
	ref      Ref
	holder   string
	renewed  string        // renewTime as written: another value is a renewal
	at       time.Time     // the same as a time; zero when it is none
	duration time.Duration // for how long a renewal counts
	until    time.Time     // when the run is over; zero when its mark cannot be read
}

// heartbeatOf reads the Lease of run. A duration that none of our Leases has is
// brought back into its limits: somebody wrote it.
func heartbeatOf(lease *unstructured.Unstructured, run string) heartbeat {
	h := heartbeat{
		ref:      refOf(lease),
		holder:   at[string](lease.Object, "spec", "holderIdentity"),
		renewed:  at[string](lease.Object, "spec", "renewTime"),
		duration: time.Duration(at[int64](lease.Object, "spec", "leaseDurationSeconds")) * time.Second,
	}
	if renewed, err := time.Parse(time.RFC3339, h.renewed); err == nil {
		h.at = renewed
	}
	if h.duration <= 0 || h.duration > maxLeaseDuration {
		h.duration = DefaultLeaseDuration
	}
	if m, _, err := markOf(lease, run); err == nil {
		h.until = m.Until
	}
	return h
}

// isLeaseOf says whether a Lease is that of run, not one that has its name.
func isLeaseOf(lease *unstructured.Unstructured, run string) bool {
	return refOf(lease).creator() == run && carries(lease, run)
}

// claim creates the run's Lease, before anything else of the run is written.
// The Injection knows of it also when it may have been created only.
func (inj *Injection) claim(ctx context.Context, plan Plan) error {
	i := inj.injector
	lease, err := newLease(plan, i.by, i.leaseDuration, i.Now())
	if err != nil {
		return fmt.Errorf("claim %s: %w", plan.Lease, err)
	}
	began := time.Now()
	stored, err := i.create(ctx, lease)
	if apierrors.IsAlreadyExists(err) {
		if live, readErr := i.get(ctx, plan.Lease); readErr == nil && sameClaim(live, lease) {
			stored, err = live, nil // an earlier try of the same request had arrived
		} else {
			return inUse(plan.Lease, live, readErr, err)
		}
	}
	if err != nil && isRefusal(err) {
		return fmt.Errorf("claim %s: %w", plan.Lease, err)
	}
	inj.mu.Lock()
	defer inj.mu.Unlock()
	inj.lease = &undo{ref: plan.Lease, run: plan.Run}
	if err != nil {
		inj.lease.doubt = &doubt{}
		return fmt.Errorf("claim %s: %w", plan.Lease, err)
	}
	inj.keeper = inj.keep(ctx, stored, plan.Until, began)
	return nil
}

// sameClaim says whether live is what came of the request to create lease.
func sameClaim(live, lease *unstructured.Unstructured) bool {
	for _, field := range []string{"holderIdentity", "acquireTime"} {
		if at[string](live.Object, "spec", field) != at[string](lease.Object, "spec", field) {
			return false
		}
	}
	return true
}

// inUse says who has the name of the Lease that was to be created.
func inUse(ref Ref, live *unstructured.Unstructured, readErr, cause error) error {
	whose := "it cannot be read by whom"
	if readErr == nil {
		whose = fmt.Sprintf("held by %q since %s",
			at[string](live.Object, "spec", "holderIdentity"), at[string](live.Object, "spec", "acquireTime"))
	}
	return fmt.Errorf("%s exists already, %s: a run of this name is under way or was left behind; "+
		"begin with another run, or see faultline leftovers: %w", ref, whose, cause)
}
