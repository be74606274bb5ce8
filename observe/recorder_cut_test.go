package observe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRecorderCutOfAProxyThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		f.set(checkout, host("a", 0, 0))
		f.set(frontend, host("a", 0, 0))
		r := f.record(t.Context(), t, checkout, frontend)
		f.set(checkout, host("a", 10, 0))
		f.set(frontend, host("a", 20, 0))
		after(DefaultInterval)
		cause := errors.New("no such Pod")
		f.fail(checkout, cause)
		f.set(frontend, host("a", 30, 0))
		after(5 * time.Second)
		change, err := r.Cut(t.Context())
		var failed *ReadError
		if !errors.As(err, &failed) || !errors.Is(err, cause) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("error %v, want one for checkout", err)
		}
		if failed.Failed < 4 || failed.Failed > 7 {
			t.Errorf("%d readings failed in 5 s, want one in each second and a bit", failed.Failed)
		}
		if want := fmt.Sprintf("%d readings failed, the last at ", failed.Failed); !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %q, want %s…", err, want)
		}
		want := []ProxyState{
			{Proxy: checkout, Hosts: []Host{host("a", 10, 0)}},
			{Proxy: frontend, Hosts: []Host{host("a", 30, 0)}, Stats: map[string]uint64{"x": 0}},
		}
		if diff := cmp.Diff(want, change.Proxies); diff != "" {
			t.Errorf("proxies (-want +got):\n%s", diff)
		}
		if err := r.Stop(); !errors.Is(err, cause) {
			t.Errorf("Stop: %v, want %v", err, cause)
		}
	})
}

func TestRecorderCutEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		f.set(checkout, host("a", 0, 0))
		r := f.record(t.Context(), t, checkout, frontend)
		f.set(checkout, host("a", 10, 0))
		for name, slow := range map[string]Proxy{"first": checkout, "second": frontend} {
			f.slow(slow, time.Second)
			for _, when := range []string{"while it reads itself", "while it waits for another reading"} {
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					<-time.After(DefaultInterval / 2)
					cancel()
				}()
				change, err := r.Cut(ctx)
				if !errors.Is(err, context.Canceled) || len(change.Proxies) != 0 {
					t.Errorf("%s proxy slow, %s: Cut = %v, %v, want %v", name, when, change, err, context.Canceled)
				}
				after(2 * DefaultInterval)
			}
			f.slow(slow, 0)
			after(2 * time.Second)
		}
		if got := mustCut(t, r).Hosts("payments"); len(got) != 1 || got[0].Host.Requests != 10 {
			t.Errorf("hosts %v: the phase must go on after a Cut that failed", got)
		}
		mustStop(t, r)
	})
}

func TestRecorderCutsOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		f.set(checkout, host("a", 0, 0))
		r := f.record(t.Context(), t, checkout)
		f.set(checkout, host("a", 10, 0))
		f.slow(checkout, time.Second)
		changes := make([]Change, 5)
		errs := inParallel(len(changes), func(i int) (err error) {
			changes[i], err = r.Cut(t.Context())
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		var sum uint64
		for _, change := range changes {
			sum += change.Hosts("payments")[0].Host.Requests
		}
		if sum != 10 {
			t.Errorf("%d requests in all changes, want 10", sum)
		}
		mustStop(t, r)
	})
}
