package observe

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRecorderWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		f.set(checkout, host("a", 100, 0))
		f.set(frontend, host("a", 50, 0))
		begin := time.Now()
		r := f.record(t.Context(), t, checkout, frontend)
		f.set(checkout, ejected(host("a", 105, 5)))
		f.set(frontend, host("a", 57, 0))

		empty, err := r.Window()
		if err != nil || empty.Hosts("payments")[0].Host.Requests != 0 || len(empty.Ejections) != 0 {
			t.Errorf("before the first reading: %+v, %v: nothing was counted yet", empty, err)
		}
		after(150 * time.Millisecond)
		reads := f.readsOf(checkout)
		want := Change{
			From: begin, To: begin.Add(150 * time.Millisecond),
			Proxies: []ProxyState{
				{Proxy: checkout, Hosts: []Host{ejected(host("a", 5, 5))}},
				{Proxy: frontend, Hosts: []Host{host("a", 7, 0)}},
			},
			Ejections: []Ejection{ejection(checkout, "a", begin.Add(100*time.Millisecond), 5, time.Time{})},
		}
		for range 2 { // it ends nothing
			got, err := r.Window()
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("window (-want +got), %v:\n%s", err, diff)
			}
		}
		if f.readsOf(checkout) != reads {
			t.Error("Window read a proxy")
		}
		cut := mustCut(t, r)
		if got := cut.Hosts("payments"); got[0].Host != want.Proxies[0].Hosts[0] || got[1].Host != want.Proxies[1].Hosts[0] {
			t.Errorf("the phase ends with %+v, want what its window had", got)
		}
		next, err := r.Window()
		if err != nil || !next.From.Equal(cut.To) || next.Hosts("payments")[0].Host.Requests != 0 || len(next.Ejections) != 1 {
			t.Errorf("window of the next phase: %+v, %v", next, err)
		}
		mustStop(t, r)
	})
}

func TestRecorderWindowOfAProxyThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeProxies()
		f.set(checkout, host("a", 0, 0))
		r := f.record(t.Context(), t, checkout)
		cause := errors.New("get /clusters of Pod shop/checkout-1: reset")
		f.set(checkout, host("a", 3, 0))
		after(DefaultInterval)
		f.fail(checkout, cause)
		after(DefaultInterval)
		window, err := r.Window()
		if !errors.Is(err, cause) {
			t.Errorf("error %v, want %v", err, cause)
		}
		if got := window.Hosts("payments"); len(got) != 1 || got[0].Host != host("a", 3, 0) {
			t.Errorf("hosts %v, want them as they were last read", got)
		}
		f.fail(checkout, nil)
		if _, err := r.Cut(t.Context()); !errors.Is(err, cause) {
			t.Errorf("Cut: %v: the window must not use up the error", err)
		}
		if err := r.Stop(); !errors.Is(err, cause) {
			t.Error(err)
		}
	})
}
