package injector

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

func TestNewRunID(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		run := NewRunID()
		if !regexp.MustCompile(`^[0-9a-f]{8}$`).MatchString(run) || seen[run] || validRun(run) != nil {
			t.Fatalf("%q after %d", run, len(seen))
		}
		seen[run] = true
	}
}

func TestValidRun(t *testing.T) {
	for run, want := range map[string]bool{
		"7f3a": true, "0123456789abcdef0123456789abcdef": true,
		"": false, "7f3": false, "7F3A": false, "7f3a-1": false, "7f3g": false, "0123456789abcdef0123456789abcdef0": false,
	} {
		if got := validRun(run) == nil; got != want {
			t.Errorf("%q: %v, want %v", run, got, want)
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	tests := map[string]struct {
		cfg    *rest.Config
		option Option
		want   string
	}{
		"no configuration": {nil, WithBy("x"), "injector: no configuration to reach a cluster with"},
		"a bad host":       {&rest.Config{Host: "http://a b"}, WithBy("x"), "injector: "},
		"nobody":           {&rest.Config{}, WithBy(""), "injector: by: is empty"},
		"a bad domain":     {&rest.Config{}, WithClusterDomain("."), `injector: cluster domain ".": `},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			in, err := New(test.cfg, test.option)
			if in != nil || err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("%v, %v; want %q", in, err, test.want)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	in, err := New(&rest.Config{Host: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if in.domain != "cluster.local" || !regexp.MustCompile(`^.+@.+/[0-9]+$`).MatchString(in.by) {
		t.Errorf("domain %q, by %q", in.domain, in.by)
	}
	in, err = New(&rest.Config{Host: "http://127.0.0.1:1"}, WithClusterDomain("corp.example"), WithBy("me"))
	if err != nil || in.domain != "corp.example" || in.by != "me" {
		t.Errorf("%+v, %v", in, err)
	}
}

// TestClockIsTheServers asks a server whose clock is an hour ahead: leftovers
// are judged by its time, not by this machine's.
func TestClockIsTheServers(t *testing.T) {
	for name, test := range map[string]struct {
		ahead time.Duration
		want  State
	}{
		"alike":         {0, Live},
		"an hour ahead": {time.Hour, Stale},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := planOf(t, []Fault{upstreamFault}, BlastRadius{}, payments)
			if err != nil {
				t.Fatal(err)
			}
			filter := plan.Edits[0].After
			if err := newMark(time.Now().Add(30*time.Minute), testBy).put(filter, testRun); err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().Add(test.ahead).UTC().Format(http.TimeFormat))
				w.Header().Set("Content-Type", "application/json")
				list := object{"apiVersion": "v1", "kind": "List", "items": []any{}}
				if strings.HasSuffix(r.URL.Path, "/envoyfilters") {
					list = object{"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilterList", "items": []any{filter.Object}}
				}
				if err := json.NewEncoder(w).Encode(list); err != nil {
					t.Error(err)
				}
			}))
			defer server.Close()
			in, err := New(&rest.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			found, err := in.Leftovers(t.Context(), "")
			if err != nil || len(found) != 1 {
				t.Fatalf("%v, %v", found, err)
			}
			if found[0].State != test.want {
				t.Errorf("%s, want %s", found[0], test.want)
			}
			if off := time.Until(in.Now()) - test.ahead; off.Abs() > 2*time.Second {
				t.Errorf("the clock is %s off the server's", off)
			}
		})
	}
}

func TestClockWithoutAServer(t *testing.T) {
	clock := &serverClock{}
	transport := clock.watch(roundTripper(func(*http.Request) (*http.Response, error) { return nil, errLost }))
	resp, err := transport.RoundTrip(&http.Request{})
	if resp != nil || !errors.Is(err, errLost) {
		t.Errorf("%v, %v", resp, err)
	}
	if off := time.Until(clock.now()); off.Abs() > time.Second {
		t.Errorf("%s off", off)
	}
	here := time.Now()
	for ahead, want := range map[time.Duration]time.Duration{
		1900 * time.Millisecond: 0, -1900 * time.Millisecond: 0, 3 * time.Second: 3 * time.Second, -time.Hour: -time.Hour,
	} {
		if got := skew(here.Add(ahead), here); got != want {
			t.Errorf("%s ahead: %s, want %s", ahead, got, want)
		}
	}
}

// TestPlanWithoutAClusterRole may list VirtualServices in the namespaces of the
// blast radius only: it plans with those, and says so.
func TestPlanWithoutAClusterRole(t *testing.T) {
	c := newCluster(t, payments, paymentsRoutes)
	denied := apierrors.NewForbidden(virtualServices.GroupResource(), "", errors.New("cluster scope"))
	c.before = func(verb, namespace, _ string) error {
		if verb == "list" && namespace == "" {
			return denied
		}
		return nil
	}
	in := c.injector()
	plan, err := in.Plan(t.Context(), testRun, []Fault{callerFault}, BlastRadius{Namespaces: []string{"shop", "bank"}}, in.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Edits) != 1 || plan.Edits[0].Ref != paymentsVS {
		t.Errorf("edits %+v", plan.Edits)
	}
	want := `VirtualServices and HTTPRoutes and GRPCRoutes could be read in namespaces ["bank" "shop"] only: one elsewhere may rule the same host, and the fault would then not be met`
	if len(plan.Notes) != 1 || plan.Notes[0] != want {
		t.Errorf("notes %q\nwant   %q", plan.Notes, want)
	}
	c.before = func(verb, _, _ string) error {
		if verb == "list" {
			return denied
		}
		return nil
	}
	if _, err := in.Plan(t.Context(), testRun, []Fault{callerFault}, BlastRadius{}, in.Now().Add(time.Hour)); !apierrors.IsForbidden(err) {
		t.Errorf("%v, want forbidden", err)
	}
}

// TestPlanSaysWhatItCannotRead fails each reading in turn.
func TestPlanSaysWhatItCannotRead(t *testing.T) {
	subset := upstreamFault
	subset.On.Subset = "v1"
	for n, want := range []string{
		"plan run 7f3a: get Service shop/payments: connection reset by peer",
		"plan run 7f3a: list pods: connection reset by peer",
		"plan run 7f3a: list destinationrules: connection reset by peer",
		"plan run 7f3a: get Service shop/payments: connection reset by peer", // for the second fault
		"plan run 7f3a: list virtualservices: connection reset by peer",
	} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := newCluster(t, payments, paymentsRoutes)
			left := n
			c.before = func(string, string, string) error {
				if left--; left < 0 {
					return errLost
				}
				return nil
			}
			in := c.injector()
			_, err := in.Plan(t.Context(), testRun, []Fault{subset, callerFault}, BlastRadius{}, in.Now().Add(time.Hour))
			if err == nil || err.Error() != want {
				t.Errorf("%v\nwant %s", err, want)
			}
		})
	}
}

// TestPlanReadsNothingForWrongFaults refuses before it asks the cluster.
func TestPlanReadsNothingForWrongFaults(t *testing.T) {
	c := newCluster(t)
	c.before = func(verb, namespace, name string) error {
		t.Errorf("%s %s/%s was asked for", verb, namespace, name)
		return nil
	}
	in := c.injector()
	_, err := in.Plan(t.Context(), testRun, []Fault{{}}, BlastRadius{}, in.Now().Add(time.Hour))
	if _, ok := errors.AsType[*RefusedError](err); !ok {
		t.Errorf("%v, want a refusal", err)
	}
}

// TestPlanListsNoPodsWithoutASelector, because an empty one would be for every
// pod of the namespace.
func TestPlanListsNoPodsWithoutASelector(t *testing.T) {
	c := newCluster(t, strings.Replace(payments, "selector: {app: payments}", "clusterIP: None", 1))
	c.before = func(verb, _, _ string) error {
		if verb == "list" {
			t.Error("pods were listed")
		}
		return nil
	}
	in := c.injector()
	_, err := in.Plan(t.Context(), testRun, []Fault{upstreamFault}, BlastRadius{}, in.Now().Add(time.Hour))
	expectReasons(t, err, []string{"faults[0].on: Service shop/payments selects no pods by label"})
}
