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

// after lets the Recorder work for a time of the bubble.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func mustCut(t *testing.T, r *Recorder) Change {
	t.Helper()
	change, err := r.Cut(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return change
}

func mustStop(t *testing.T, r *Recorder) {
	t.Helper()
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
}

func TestRecorderNoticesEjections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		f.set(checkout, host("a", 100, 0), host("b", 100, 0))
		f.set(frontend, host("a", 50, 0), ejected(host("b", 50, 9)))
		begin := time.Now()
		since := func(d time.Duration) time.Time { return begin.Add(d) }
		r := f.record(t.Context(), t, checkout, frontend)

		after(250 * time.Millisecond)
		f.set(checkout, ejected(host("a", 105, 5)), host("b", 110, 0))
		after(500 * time.Millisecond) // noticed at 300 ms
		f.set(checkout, ejected(host("a", 105, 5)), host("b", 140, 0))
		first := mustCut(t, r)
		wantFirst := []Ejection{
			ejection(frontend, "b", since(0), 0, time.Time{}),
			ejection(checkout, "a", since(300*time.Millisecond), 5, time.Time{}),
		}
		if diff := cmp.Diff(wantFirst, first.Ejections); diff != "" {
			t.Errorf("first phase (-want +got):\n%s", diff)
		}
		want := []ProxyState{
			{Proxy: checkout, Hosts: []Host{ejected(host("a", 5, 5)), host("b", 40, 0)}, Stats: map[string]uint64{"x": 0}},
			{Proxy: frontend, Hosts: []Host{host("a", 0, 0), ejected(host("b", 0, 0))}, Stats: map[string]uint64{"x": 0}},
		}
		if diff := cmp.Diff(want, first.Proxies); diff != "" {
			t.Errorf("first phase (-want +got):\n%s", diff)
		}

		after(100 * time.Millisecond)
		f.set(checkout, host("a", 105, 5), host("b", 150, 0))
		after(100 * time.Millisecond) // noticed at 900 ms
		second := mustCut(t, r)
		wantSecond := []Ejection{
			wantFirst[0],
			ejection(checkout, "a", since(300*time.Millisecond), 5, since(900*time.Millisecond)),
		}
		if diff := cmp.Diff(wantSecond, second.Ejections); diff != "" {
			t.Errorf("second phase (-want +got):\n%s", diff)
		}
		if !second.From.Equal(first.To) || !first.From.Equal(begin) {
			t.Errorf("phases %s-%s and %s-%s do not meet", first.From, first.To, second.From, second.To)
		}
		if began := wantSecond[1].At.After(second.From); began {
			t.Error("an ejection of the first phase counts as begun in the second")
		}
		mustStop(t, r)
		if diff := cmp.Diff(wantSecond, r.Ejections()); diff != "" {
			t.Errorf("all ejections (-want +got):\n%s", diff)
		}
	})
}

func TestRecorderNoticesAtTheCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		f.set(checkout, host("a", 0, 0))
		r := f.record(t.Context(), t, checkout)
		f.set(checkout, ejected(host("a", 5, 5)))
		<-time.After(time.Millisecond) // before the first reading after the begin
		change := mustCut(t, r)
		if diff := cmp.Diff([]Ejection{ejection(checkout, "a", change.To, 5, time.Time{})}, change.Ejections); diff != "" {
			t.Errorf("ejections (-want +got):\n%s", diff)
		}
		mustStop(t, r)
	})
}

func TestRecorderReadsAtEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		r := f.record(t.Context(), t, checkout)
		after(10 * DefaultInterval)
		mustStop(t, r)
		if got := f.readsOf(checkout); got != 1+10 {
			t.Errorf("%d readings, want 11", got)
		}
		after(10 * DefaultInterval)
		if got := f.readsOf(checkout); got != 1+10 {
			t.Errorf("%d readings after Stop", got)
		}
		mustStop(t, r)
	})
}

func TestRecorderIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		var proxies []Proxy
		for i := range 3 * maxParallel {
			proxies = append(proxies, Proxy{Namespace: "shop", Pod: fmt.Sprint(i)})
		}
		r := f.record(t.Context(), t, proxies...)
		for _, p := range proxies {
			f.slow(p, 10*time.Millisecond)
		}
		after(5 * DefaultInterval)
		mustCut(t, r)
		mustStop(t, r)
		if f.most != maxParallel {
			t.Errorf("%d readings at a time, want %d", f.most, maxParallel)
		}
		for _, p := range proxies {
			if got := f.readsOf(p); got < 5 {
				t.Errorf("%s was read %d times", p, got)
			}
		}
	})
}

func TestRecorderGoesOnAfterAFailedReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		f.set(checkout, host("a", 0, 0))
		r := f.record(t.Context(), t, checkout, frontend)
		cause := errors.New("get /clusters of Pod shop/checkout-1: reset")
		f.fail(checkout, cause)
		after(DefaultInterval)
		f.fail(checkout, nil)
		f.set(checkout, host("a", 7, 1))
		after(2 * time.Second)
		change, err := r.Cut(t.Context())
		if got := change.Hosts("payments"); len(got) != 1 || got[0].Host != host("a", 7, 1) {
			t.Errorf("hosts %v: a gap must not cost counters", got)
		}
		var gap *ReadError
		if !errors.As(err, &gap) || gap.Failed != 1 || gap.Proxy.Pod != checkout.Pod || !errors.Is(err, cause) {
			t.Errorf("error %v, want the one gap", err)
		}
		if _, err := r.Cut(t.Context()); err != nil {
			t.Errorf("the next phase has no gap, but %v", err)
		}
		if err := r.Stop(); !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "1 reading failed, at ") {
			t.Errorf("Stop: %v, want the gap", err)
		}
	})
}

func TestRecorderEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		ctx, cancel := context.WithCancel(t.Context())
		r := f.record(ctx, t, checkout)
		f.slow(checkout, time.Minute)
		after(2 * DefaultInterval) // it is reading
		cancel()
		synctest.Wait()
		f.slow(checkout, 0)
		f.set(checkout, host("a", 3, 0))
		if got := mustCut(t, r).Hosts("payments"); len(got) != 1 {
			t.Errorf("hosts %v: Cut must read even so", got)
		}
		mustStop(t, r) // the reading that was cut off is nobody's fault
	})
}

func TestRecordOfAProxyThatCannotBeRead(t *testing.T) {
	m := newMesh(nil, noDial)
	r, err := m.Record(t.Context(), []Proxy{checkout}, 0)
	if err == nil || r != nil || !strings.Contains(err.Error(), "Pod shop/checkout-1: dialled") {
		t.Errorf("Record = %v, %v, want an error that names the Pod", r, err)
	}
}

func TestRecord(t *testing.T) {
	m, _ := meshWith(t, envoyAdmin(t))
	r, err := m.Record(t.Context(), []Proxy{checkout, frontend}, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	change := mustCut(t, r)
	if len(change.Proxies) != 2 || len(change.Hosts("payments")) != 2*4 {
		t.Errorf("change %+v", change)
	}
	if got := r.Ejections(); len(got) != 2 || got[0].At.After(change.From) {
		t.Errorf("ejections %v, want the two that were there before", got)
	}
	mustStop(t, r)
}
