package crash

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/faultline-mesh/faultline/injector"
)

// skewed returns how to reach an API server whose clock is ahead of ours.
func skewed(ahead time.Duration) *rest.Config {
	config := unthrottled()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(q *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(q)
			if err == nil {
				resp.Header.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			}
			return resp, err
		})
	})
	return config
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f roundTripper) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

// begin makes a run of the targets, and does not revert it.
func (s *subject) begin(t *testing.T, targets ...target) *injector.Injection {
	t.Helper()
	plan, err := s.plan(t.Context(), targets...)
	if err != nil {
		t.Fatal(err)
	}
	injection, err := s.in.Inject(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return injection
}

// mustBeClean fails the test if anything of ours is left.
func (s *scene) mustBeClean(t *testing.T) {
	t.Helper()
	left, err := s.inspect(t.Context())
	if err != nil || len(left.marks)+len(left.unequal) > 0 {
		t.Errorf("%v\n%s\n%s", err, strings.Join(left.marks, "\n"), strings.Join(left.unequal, "\n"))
	}
}

// TestClocksThatAreWrong has clients whose clock is an hour off the API server's.
// A run that lives is reverted by nobody, whichever clock he has; one whose Lease
// nobody renews is reverted by anybody, though its time is an hour away.
func TestClocksThatAreWrong(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"behind": time.Hour, "ahead": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSubject(t, "clock-"+name)
			off := newInjector(t, skewed(ahead), injector.WithLeaseDuration(leaseDuration))
			right := s.in
			if _, err := off.Leftovers(t.Context(), s.namespace); err != nil { // tells it the time
				t.Fatal(err)
			}
			if apart := off.Now().Sub(right.Now()) - ahead; apart.Abs() > 5*time.Second {
				t.Fatalf("the clocks are %s apart, which is not what was to be tried", apart+ahead)
			}
			s.in = off
			injection := s.begin(t, troubleTargets...)
			for who, in := range map[string]*injector.Injector{"the same clock": off, "another clock": right} {
				reverted, err := in.RevertStale(t.Context(), s.namespace)
				if err != nil || len(reverted) > 0 {
					t.Errorf("with %s a run that lives was reverted: %v, %v", who, reverted, err)
				}
			}
			if err := injection.Revert(t.Context()); err != nil {
				t.Error(err)
			}
			s.mustBeClean(t)

			config := skewed(ahead)
			config.Wrap(withoutRenewals)
			s.in = newInjector(t, config, injector.WithLeaseDuration(leaseDuration))
			s.begin(t, troubleTargets...) // and nobody reverts it
			if _, err := silence(t.Context(), off, s.namespace); err != nil {
				t.Error(err)
			}
			var both sync.WaitGroup // two who revert are not in each other's way
			for who, in := range map[string]*injector.Injector{"the same clock": off, "another clock": right} {
				both.Go(func() {
					if _, err := in.RevertStale(t.Context(), s.namespace); err != nil {
						t.Errorf("with %s: %v", who, err)
					}
				})
			}
			both.Wait()
			s.mustBeClean(t)
		})
	}
}

// withoutRenewals loses what renews a Lease, as if the process were dead.
func withoutRenewals(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(q *http.Request) (*http.Response, error) {
		if callOf(q).isBackground() {
			return nil, errReset
		}
		return next.RoundTrip(q)
	})
}

// TestTimesThatHavePassed are refused when planned, and when time passes between
// plan and injection.
func TestTimesThatHavePassed(t *testing.T) {
	s := newSubject(t, "until")
	fault := target{"routed-0", injector.Caller, plain}.fault(s.namespace)
	_, err := s.in.Plan(t.Context(), injector.NewRunID(), []injector.Fault{fault}, injector.BlastRadius{}, s.in.Now().Add(-time.Second))
	if refused, ok := errors.AsType[*injector.RefusedError](err); !ok || refused.Reasons[0].Field != "until" {
		t.Errorf("got %v, want a refusal of until", err)
	}
	plan, err := s.plan(t.Context(), target{"routed-0", injector.Caller, plain})
	if err != nil {
		t.Fatal(err)
	}
	later := newInjector(t, skewed(4*time.Hour))
	injection, err := later.Inject(t.Context(), plan)
	if err == nil || !strings.Contains(err.Error(), "its faults are stale since") {
		t.Errorf("got %v", err)
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Error(err)
	}
	s.mustBeClean(t)
}

// TestRunsThatNobodyKnows are told from runs that are clean.
func TestRunsThatNobodyKnows(t *testing.T) {
	s := newSubject(t, "unknown")
	injection := s.begin(t, troubleTargets...)
	for _, run := range []string{"feedbeef", "", "../" + injection.Run(), injection.Run() + "0", strings.ToUpper("abcdefab")} {
		err := s.in.RevertRun(t.Context(), run, s.namespace)
		if _, ok := errors.AsType[*injector.UnknownRunError](err); !ok {
			t.Errorf("%q: got %v, want an *UnknownRunError", run, err)
		}
	}
	left, err := s.inspect(t.Context())
	if err != nil || len(left.marks) == 0 {
		t.Errorf("another run was reverted: %v, %v", left, err)
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Error(err)
	}
	s.mustBeClean(t)
}

// TestRevertWithoutRights names the verb and the resource that are missing.
func TestRevertWithoutRights(t *testing.T) {
	s := newSubject(t, "rights")
	s.create(t, roles, `{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: reader}, rules: [
		{apiGroups: [networking.istio.io, coordination.k8s.io], resources: ["*"], verbs: [get, list]}]}`)
	s.create(t, roleBindings, `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: reader},
		roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}, subjects: [{kind: User, name: reader}]}`)
	injection := s.begin(t, troubleTargets...)
	for user, want := range map[string][]string{
		"nobody": {"cannot list resource", "virtualservices", "envoyfilters"},
		"reader": {`cannot update resource "virtualservices"`, `cannot delete resource "virtualservices"`, `cannot delete resource "envoyfilters"`},
	} {
		config := unthrottled()
		config.Impersonate = rest.ImpersonationConfig{UserName: user}
		err := newInjector(t, config).RevertRun(t.Context(), injection.Run(), s.namespace)
		if _, ok := errors.AsType[*injector.NotRevertedError](err); !ok {
			t.Fatalf("%s: got %v, want a *NotRevertedError", user, err)
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error lacks %q:\n%v", user, part, err)
			}
		}
	}
	if err := injection.Revert(t.Context()); err != nil {
		t.Error(err)
	}
	s.mustBeClean(t)
}

// TestMarksOfOthers reverts by the names of routes and objects when the marks are
// not what this version of faultline writes, and says so.
func TestMarksOfOthers(t *testing.T) {
	s := newSubject(t, "marks")
	for text, note := range map[string]string{
		`{"v":99,"until":"2126-01-02T15:04:05Z","by":"ada","shape":{"is":"new"}}`: "another version of faultline",
		`{"v":"one","until":{}}`:                            "cannot be read",
		`{"v":1,"until":"2126-01-02T15:04:05Z","by":"ada"}`: "somebody",
		`{"v":1,"until":"2126-01-0`:                         "cannot be read",
		``:                                                  "cannot be read",
	} {
		injection := s.begin(t, troubleTargets...)
		for _, ref := range []call{
			{"", "virtualservices", "routed-0"},
			{"", "virtualservices", "faultline-" + injection.Run() + "-bare-0"},
			{"", "envoyfilters", "faultline." + injection.Run()},
		} {
			live, err := s.of(ref).Get(t.Context(), ref.name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := unstructured.SetNestedField(live.Object, text, "metadata", "annotations", "faultline.dev/run."+injection.Run()); err != nil {
				t.Fatal(err)
			}
			if _, err := s.of(ref).Update(t.Context(), live, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		found, err := s.in.Leftovers(t.Context(), s.namespace)
		if err != nil || len(found) != 3 {
			t.Errorf("%s: %v, %v", text, found, err)
		}
		for _, l := range found {
			if l.Run != injection.Run() || !strings.Contains(l.Note, note) {
				t.Errorf("%s: %s does not say %q", text, l, note)
			}
		}
		if err := s.in.RevertRun(t.Context(), injection.Run(), s.namespace); err != nil {
			t.Error(err)
		}
		s.mustBeClean(t)
		if err := injection.Revert(t.Context()); err != nil { // ends the renewals
			t.Error(err)
		}
	}
}
