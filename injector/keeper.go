package injector

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// keeper renews a run's Lease and looks for halt flags, until it is stopped.
type keeper struct {
	inj      *Injection
	until    time.Time
	duration time.Duration
	lease    *unstructured.Unstructured // as it was stored last
	good     time.Time                  // when the last request began that renewed it; on the own monotonic clock
	done     chan struct{}
	cancel   context.CancelFunc
}

// keep starts the keeper of a Lease that a request created which began then.
func (inj *Injection) keep(ctx context.Context, lease *unstructured.Unstructured, until, began time.Time) *keeper {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k := &keeper{
		inj: inj, until: until, duration: inj.injector.leaseDuration,
		lease: lease, good: began, done: make(chan struct{}), cancel: cancel,
	}
	go k.run(ctx)
	return k
}

// stop returns when the Lease is not going to be renewed any more.
func (k *keeper) stop() {
	k.cancel()
	<-k.done
}

func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	defer k.cancel()
	tick := time.NewTicker(min(renewEvery, k.duration/10))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if over := k.beat(ctx); over || ctx.Err() != nil {
			return
		}
		k.lookForHalt(ctx)
	}
}

// beat renews the Lease once. over says that there is no use in trying again.
func (k *keeper) beat(ctx context.Context) (over bool) {
	if !k.inj.injector.Now().Before(k.until) {
		k.lost("its time is over since %s: anyone may revert it", k.until.Format(time.RFC3339))
		return true
	}
	began := time.Now()
	patience := k.duration / 3
	if left := 2*k.duration/3 - time.Since(k.good); left > 0 {
		patience = min(patience, left) // so that a request which hangs is not what keeps the loss from being noticed
	}
	request, cancel := context.WithTimeout(ctx, patience)
	gone, err := k.renew(request)
	cancel()
	switch {
	case ctx.Err() != nil: // stopped: what became of it does not matter
		return true
	case gone != "":
		k.lost("%s", gone)
		return true
	case err == nil:
		k.good = began
	case time.Since(k.good) >= 2*k.duration/3:
		k.lost("it could not be renewed for %s: %v", time.Since(k.good).Round(time.Millisecond), err)
	}
	return false
}

// renew writes the time into the Lease. gone says in words that it is no
// longer this run's.
func (k *keeper) renew(ctx context.Context) (gone string, err error) {
	i := k.inj.injector
	for range 2 {
		lease := k.lease.DeepCopy()
		if err := unstructured.SetNestedField(lease.Object, microTime(i.Now()), "spec", "renewTime"); err != nil {
			return "", err
		}
		stored, err := i.update(ctx, lease)
		switch {
		case err == nil:
			k.lease = stored
			return "", nil
		case apierrors.IsNotFound(err):
			return "it was deleted", nil
		case !apierrors.IsConflict(err):
			return "", err
		}
		live, err := i.get(ctx, refOf(k.lease))
		switch {
		case apierrors.IsNotFound(err):
			return "it was deleted", nil
		case err != nil:
			return "", err
		case live.GetUID() != k.lease.GetUID() || !sameClaim(live, k.lease):
			return fmt.Sprintf("%q holds it now", at[string](live.Object, "spec", "holderIdentity")), nil
		}
		k.lease = live // somebody else wrote to it, which takes nothing from us
	}
	return "", fmt.Errorf("somebody keeps writing to it")
}

func (k *keeper) lost(format string, args ...any) {
	k.inj.end(&LeaseLostError{Lease: refOf(k.lease), Run: k.inj.run, Found: fmt.Sprintf(format, args...)})
}

// lookForHalt ends the injection when a namespace of it has the halt flag. An
// answer that does not come is asked for again with the next beat.
func (k *keeper) lookForHalt(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, k.duration/3)
	defer cancel()
	for _, namespace := range k.inj.namespaces() {
		halted, err := k.inj.injector.Halted(ctx, namespace)
		if err == nil && halted != nil {
			k.inj.end(halted)
			return
		}
	}
}
