package crash

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/faultline-mesh/faultline/injector"
)

// TestWatchesThatAreLost lets every watch go wrong: a fault that a user takes out
// is noticed all the same, and a run that nobody touches goes on.
func TestWatchesThatAreLost(t *testing.T) {
	for name, lose := range map[string]func(q *http.Request, send http.RoundTripper) (*http.Response, error){
		"refused": func(q *http.Request, _ http.RoundTripper) (*http.Response, error) {
			return refusal(q, http.StatusForbidden, "Forbidden"), nil
		},
		"gone": func(q *http.Request, _ http.RoundTripper) (*http.Response, error) {
			return refusal(q, http.StatusGone, "Expired"), nil
		},
		"reset": func(*http.Request, http.RoundTripper) (*http.Response, error) { return nil, errReset },
		"ended at once": func(q *http.Request, send http.RoundTripper) (*http.Response, error) {
			resp, err := send.RoundTrip(q)
			if err == nil {
				_ = resp.Body.Close()
				resp.Body = io.NopCloser(failing{io.EOF})
			}
			return resp, err
		},
		"silent for ever": func(q *http.Request, send http.RoundTripper) (*http.Response, error) {
			resp, err := send.RoundTrip(q)
			if err == nil {
				resp.Body = silent{resp.Body, q.Context()}
			}
			return resp, err
		},
		"never answered": func(q *http.Request, _ http.RoundTripper) (*http.Response, error) {
			<-q.Context().Done()
			return nil, context.Cause(q.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSubject(t, "watch-"+strings.ReplaceAll(name, " ", "-"))
			var lost atomic.Int32
			config := unthrottled()
			config.Wrap(func(next http.RoundTripper) http.RoundTripper {
				return roundTripper(func(q *http.Request) (*http.Response, error) {
					if q.URL.Query().Get("watch") == "" {
						return next.RoundTrip(q)
					}
					lost.Add(1)
					return lose(q, next)
				})
			})
			s.in = newInjector(t, config)
			s.watches(t)
			if lost.Load() == 0 {
				t.Error("no watch was lost, so nothing was tried")
			}
		})
	}
}

// watches has a run whose fault a user takes out after a while.
func (s *subject) watches(t *testing.T) {
	t.Helper()
	injection := s.begin(t, troubleTargets...)
	ctx, cancel := injection.Context(t.Context())
	defer cancel()
	calm := time.NewTimer(1500 * time.Millisecond)
	defer calm.Stop()
	select {
	case <-ctx.Done():
		t.Errorf("nobody did anything, but: %v", context.Cause(ctx))
	case <-calm.C:
	}
	began := time.Now()
	if err := s.edit(t.Context(), "routed-0", func(vs *unstructured.Unstructured) { setRoutes(vs, usersRoutes(vs)) }); err != nil {
		t.Fatal(err)
	}
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	select {
	case <-ctx.Done():
		if _, ok := errors.AsType[*injector.EvictedError](context.Cause(ctx)); !ok {
			t.Errorf("got %v, want an *EvictedError", context.Cause(ctx))
		}
		t.Logf("noticed after %s", time.Since(began).Round(time.Millisecond))
	case <-limit.C:
		t.Error("an eviction was not noticed in 20 s")
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Error(err)
	}
	s.mustBeClean(t)
}

// silent is a connection on which nothing comes any more.
type silent struct {
	io.Closer
	ctx context.Context
}

// Read waits for the end.
func (s silent) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, context.Cause(s.ctx)
}

// TestNamespaceThatEnds has a namespace deleted: nothing new is injected there,
// and what was is taken out.
func TestNamespaceThatEnds(t *testing.T) {
	s := newSubject(t, "ends")
	plan, err := s.plan(t.Context(), troubleTargets...)
	if err != nil {
		t.Fatal(err)
	}
	before := s.begin(t, target{"routed-0", injector.Caller, plain}, target{"upstream-0", injector.Upstream, plain})
	if err := s.client.Resource(namespaces).Delete(t.Context(), s.namespace, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	after, err := s.in.Inject(t.Context(), plan)
	if err == nil {
		t.Error("injected into a namespace that is being deleted")
	}
	for _, injection := range []*injector.Injection{after, before} {
		if err := injection.Revert(t.Context()); err != nil {
			t.Error(err)
		}
	}
	s.mustBeClean(t)
}

// TestFinalizersOfOthers hold what a run created: the revert says so, and once
// they are gone nothing is left.
func TestFinalizersOfOthers(t *testing.T) {
	s := newSubject(t, "finalizers")
	injection := s.begin(t, troubleTargets...)
	held := []call{
		{"", virtualServices.Resource, "faultline-" + injection.Run() + "-bare-0"},
		{"", envoyFilters.Resource, "faultline." + injection.Run()},
		{"", virtualServices.Resource, "routed-0"},
	}
	finalize := func(c call, finalizers ...string) {
		t.Helper()
		live, err := s.of(c).Get(t.Context(), c.name, metav1.GetOptions{})
		if err == nil {
			live.SetFinalizers(finalizers)
			_, err = s.of(c).Update(t.Context(), live, metav1.UpdateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range held {
		finalize(c, "example.com/hold")
	}
	s.want["routed-0"].SetFinalizers([]string{"example.com/hold"})
	if err := s.of(held[2]).Delete(t.Context(), held[2].name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	left, ok := errors.AsType[*injector.NotRevertedError](injection.Revert(ctx))
	if !ok || len(left.Refs) != 2 {
		t.Fatalf("got %v, want NOT REVERTED for what the run created", left)
	}
	for _, c := range held[:2] {
		live, err := s.of(c).Get(t.Context(), c.name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if text := content(live); strings.Contains(text, `"abort"`) {
			t.Errorf("the fault stays in force as long as a finalizer of others holds %s:\n%s", c, text)
		}
		finalize(c)
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Error(err)
	}
	finalize(held[2])
	delete(s.want, "routed-0")
	s.mustBeClean(t)
}
