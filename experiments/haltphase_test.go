package experiments

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-mesh/faultline/loadgen"
	"github.com/faultline-mesh/faultline/observe"
)

// The window holds what ended in it: also what was sent long before, and nothing
// of the good times before that.
func TestAWindowIsNotDiluted(t *testing.T) {
	p := Phase{Name: DuringPhase, From: began, To: began.Add(20 * time.Second)}
	for i := range 20 {
		s := loadgen.Sample{Seq: uint64(i), Intended: began.Add(time.Duration(i) * time.Second), Latency: time.Millisecond, Code: 200}
		switch {
		case i == 6:
			s.Latency, s.Code = 10*time.Second, 0 // given up in the window
		case i >= 16:
			s.Code = 503
		}
		p.Load.Samples = append(p.Load.Samples, s)
	}
	tr := &trial{}
	got := tr.part(p, Window(5*time.Second, says{}))
	if want := (map[int]int{200: 1, 503: 4, 0: 1}); !cmp.Equal(want, got.Load.Codes()) || !got.From.Equal(began.Add(15*time.Second)) {
		t.Errorf("got %v from %s", got.Load.Codes(), got.From)
	}
	for _, whole := range []Matcher{says{}, Window(20*time.Second, says{}), Window(time.Hour, says{})} {
		if got := tr.part(p, whole); got.Load.Requests() != 20 || !got.From.Equal(began) {
			t.Errorf("%v: got %d requests from %s", whole, got.Load.Requests(), got.From)
		}
	}
}

// Of the mesh, the window holds what was counted since the last look before it.
func TestAWindowOfTheMesh(t *testing.T) {
	proxy := sidecar("shop", "checkout-1")
	look := func(after time.Duration, requests, errors uint64) observe.Change {
		host := observe.Host{Cluster: outbound("payments.shop"), Address: "10.0.0.9:80", Requests: requests, Errors: errors}
		return observe.Change{From: began, To: began.Add(after), Proxies: []observe.ProxyState{{Proxy: proxy, Hosts: []observe.Host{host}}}}
	}
	earlier := []observe.Change{look(1*time.Second, 10, 1), look(2*time.Second, 20, 2), look(3*time.Second, 30, 3)}
	earlier = append([]observe.Change{{From: began.Add(-time.Minute), To: began.Add(-time.Second)}}, earlier...) // of another phase
	now := look(4*time.Second, 50, 13)
	old := observe.Ejection{Proxy: proxy, Address: "a", At: began.Add(time.Second), ReadmittedAt: began.Add(1500 * time.Millisecond)}
	open := observe.Ejection{Proxy: proxy, Address: "b", At: began.Add(time.Second)}
	fresh := observe.Ejection{Proxy: proxy, Address: "c", At: began.Add(3 * time.Second)}
	now.Ejections = []observe.Ejection{old, open, fresh}
	for since, want := range map[time.Duration][2]uint64{
		2 * time.Second:         {30, 11},
		2500 * time.Millisecond: {30, 11},
		500 * time.Millisecond:  {50, 13},
	} {
		part := countedSince(now, began.Add(since), earlier)
		if host := part.Hosts("payments")[0].Host; host.Requests != want[0] || host.Errors != want[1] {
			t.Errorf("since %s: got %d requests, %d errors; want %v", since, host.Requests, host.Errors, want)
		}
	}
	if got := countedSince(now, began.Add(2*time.Second), earlier).Ejections; !slices.Equal(addresses(got), []string{"b", "c"}) {
		t.Errorf("got %+v", got)
	}
}

func addresses(ejections []observe.Ejection) []string {
	var all []string
	for _, e := range ejections {
		all = append(all, e.Address)
	}
	return all
}

func TestInvalidHalts(t *testing.T) {
	e := newTarget(t).experiment()
	f := &fetcher{}
	e.SteadyState = append(e.SteadyState, Window(time.Second, says{}))
	e.During = []Matcher{f}
	e.HaltWhen = []Matcher{
		says{},
		f, Window(0, says{}), Window(time.Second, nil), Window(time.Second, f), Window(time.Second, Window(time.Second, says{})),
		knowing{errors.Join(errors.New("url: is missing"), errors.New("query: is missing"))},
		Window(time.Second, says{err: errMisuse}), nil,
	}
	err := e.Validate()
	if err == nil {
		t.Fatal("it is valid")
	}
	want := []string{
		"haltWhen[8]: is nil, want a matcher",
		"haltWhen[2].window: 0s is not a positive duration, want one such as 5s",
		"haltWhen[3]: is a window of nil, want a matcher",
		"haltWhen[4].window: is for what the load saw and the proxies counted; leave it out, and let the query say of which time it is, as rate(…[30s]) does",
		"haltWhen[5].window: is a window of a window, want one of them",
		"haltWhen[6].url: is missing", "haltWhen[6].query: is missing",
		"steadyState[1]: is a window, which is for haltWhen only; a phase is judged as a whole",
		"during[0]: fetches what it judges, which is for haltWhen only; want a matcher for a phase",
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// knowing is a matcher that knows what is wrong with it.
type knowing struct{ err error }

func (k knowing) Validate() error                { return k.err }
func (knowing) Match(any) (bool, error)          { return false, nil }
func (knowing) FailureMessage(any) string        { return "" }
func (knowing) NegatedFailureMessage(any) string { return "" }

func TestAWindowSaysOfWhichTime(t *testing.T) {
	if got := wanted(Window(5*time.Second, named(says{}, "success rate at most 50%")), Phase{}); got != "success rate at most 50%, of the last 5s" {
		t.Errorf("got %q", got)
	}
}

func TestHaltIsReported(t *testing.T) {
	h := &Halt{Condition: "success rate at most 50%", Measured: "12%", At: began.Add(6 * time.Second), From: began, To: began.Add(6 * time.Second), After: 31 * time.Millisecond}
	report := Report{Name: "x", Verdict: Halted, Reason: "halted: " + h.String(), Halt: h}
	if want := "  halted  success rate at most 50%: 12%; seen at 05:46:06.000 of the time since 05:46:00.000, revert began 31ms later\n"; !strings.Contains(report.String(), want) {
		t.Errorf("got:\n%s\nwant %q in it", report.String(), want)
	}
	content, err := json.Marshal(&report)
	if want := `"halt":{"condition":"success rate at most 50%","measured":"12%","at":"2026-11-23T05:46:06Z",` +
		`"window":{"from":"2026-11-23T05:46:00Z","to":"2026-11-23T05:46:06Z"},"after":"31ms"}`; err != nil || !strings.Contains(string(content), want) {
		t.Errorf("got %v\n%s\nwant in it\n%s", err, content, want)
	}
	fetched := Halt{Condition: "depth above 5", At: began}
	if got := fetched.text(); got != "depth above 5; seen at 05:46:00.000" {
		t.Errorf("got %q", got)
	}
	if got := fetched.json(); got.Window != nil || got.After != "" {
		t.Errorf("got %+v", got)
	}
}
